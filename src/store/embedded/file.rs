//! The data file: opening, what guards it, and its content as records. Export and import use it
//! while no server runs.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions, TryLockError},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::{Sync, failure::words, records, schema, tables::Tables};
use crate::store::record::Record;

/// How long to wait for whoever reads or writes at this moment. Only our own threads do.
const BUSY: Duration = Duration::from_secs(1);
/// Bytes to which the write-ahead log is cut after it was emptied.
const LOG_BYTES: u32 = 16 << 20;
/// Random bytes in the secret for session cookies.
const SECRET_BYTES: usize = 32;

/// An open data file. Nobody else can open it meanwhile.
pub struct DataFile {
    // Before the lock, so that it is closed before the lock is let go.
    pub(super) tables: Tables,
    path: PathBuf,
    secret: String,
    _lock: Lock,
}

/// How many pieces of each kind a data file holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Users.
    pub users: u64,
    /// Rooms with a name or messages.
    pub rooms: u64,
    /// Messages of all rooms.
    pub messages: u64,
    /// Sessions whose life has not ended.
    pub sessions: u64,
}

impl DataFile {
    /// Opens a data file; makes it, and the folder it is in, if there is none.
    ///
    /// # Errors
    /// A sentence for people: another process uses it, it is not ours, is of a newer version, is
    /// damaged, or can't be written. Nothing was changed then.
    pub fn open(path: &Path, sync: Sync) -> Result<DataFile, String> {
        Self::open_or(path, sync, true)
    }

    /// The same, but where there is no data file that is an error.
    ///
    /// # Errors
    /// As [`DataFile::open`].
    pub fn open_existing(path: &Path, sync: Sync) -> Result<DataFile, String> {
        Self::open_or(path, sync, false)
    }

    fn open_or(path: &Path, sync: Sync, create: bool) -> Result<DataFile, String> {
        // SQLite gives names such as ":memory:" and "" a meaning of their own; no absolute one has any.
        let absolute = std::path::absolute(path)
            .map_err(|why| format!("the data file's name can't be used: {why}"))?;
        // The log and the lock are beside the file itself, not beside a link to it.
        let path = &fs::canonicalize(&absolute).unwrap_or(absolute);
        let shown = path.display();
        let unusable = |why: String| format!("the data file {shown} {why}");
        let found = match fs::metadata(path) {
            Ok(found) if !found.is_file() => return Err(unusable("is not a file".into())),
            Ok(found) => found.len() > 0,
            Err(_) if !create => return Err(format!("there is no data file at {shown}")),
            Err(_) => false,
        };
        if let Some(folder) = path.parent().filter(|_| create) {
            fs::create_dir_all(folder).map_err(|why| {
                format!("the folder of the data file {shown} can't be made: {why}")
            })?;
        }
        let lock = Lock::take(path)?;
        // Looked at before it is opened for writing: that alone could change a file.
        let checked = if found { look(path) } else { make(path) };
        if let Err(why) = checked {
            lock.undo();
            return Err(unusable(why));
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let opened = Connection::open_with_flags(path, flags);
        let connection =
            opened.map_err(|why| unusable(format!("can't be opened: {}", words(&why))))?;
        let secret = prepare(&connection, sync).map_err(unusable)?;
        let tables = Tables::new(connection);
        Ok(DataFile { tables, path: path.clone(), secret, _lock: lock })
    }

    /// The secret for session cookies: random, made with the file.
    pub fn session_secret(&self) -> &str {
        &self.secret
    }

    /// Another connection, for reading.
    pub(super) fn reader(&self) -> Result<Connection, String> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let opened = Connection::open_with_flags(&self.path, flags);
        opened
            .and_then(|connection| {
                connection.busy_timeout(BUSY)?;
                connection.set_prepared_statement_cache_capacity(32);
                Ok(connection)
            })
            .map_err(|why| self.trouble("can't be opened", &why))
    }

    /// Whether nobody registered and there are no messages, sessions or rooms.
    ///
    /// # Errors
    /// A sentence for people if the file can't be read.
    pub fn is_empty(&self) -> Result<bool, String> {
        let empty = "SELECT NOT (EXISTS (SELECT 1 FROM meta WHERE name = ?1)
            OR EXISTS (SELECT 1 FROM names) OR EXISTS (SELECT 1 FROM users)
            OR EXISTS (SELECT 1 FROM user_rooms) OR EXISTS (SELECT 1 FROM rooms)
            OR EXISTS (SELECT 1 FROM sessions))";
        let found =
            self.tables.connection.query_row(empty, [schema::LAST_USER_ID], |row| row.get(0));
        found.map_err(|why| self.trouble("can't be read", &why))
    }

    /// Begins to put other records in the place of what is there. The secret stays.
    ///
    /// # Errors
    /// A sentence for people if the file can't be written; it is as before then.
    pub fn replace(&mut self) -> Result<Replacement<'_>, String> {
        self.tables.begin().map_err(|why| self.trouble("can't be written", &why))?;
        let replacement = Replacement { file: self };
        let cleared = records::clear(&mut replacement.file.tables);
        replacement.checked(cleared).map(|()| replacement)
    }

    /// Writes records over what is there, all of them or none, as on Redis: a field that a record
    /// lacks stays as it is, and a message that the room has already gets the record's score.
    ///
    /// # Errors
    /// A sentence for people if the file can't be written; it is as before then.
    pub fn write(&mut self, records: &[Record]) -> Result<(), String> {
        let done = self.tables.transaction(|tables| records::add_all(tables, records));
        done.map_err(|why| self.trouble("can't be written", &why))
    }

    /// Hands out all records as they are at this moment: counter, names, users, their rooms, names
    /// of rooms, messages (room by room, by score and bytes), sessions that still live.
    ///
    /// # Errors
    /// The first error of `on`, or a sentence for people if the file can't be read.
    pub fn read<E: From<String>>(
        &mut self,
        mut on: impl FnMut(Record) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut refused = None;
        let done = records::read_all(&self.tables.connection, |record| {
            on(record).map_err(|why| refused = Some(why)).is_ok()
        });
        match (done, refused) {
            (_, Some(why)) => Err(why),
            (Err(why), None) => Err(self.trouble("can't be read", &why).into()),
            (Ok(()), None) => Ok(()),
        }
    }

    /// How many pieces of each kind there are.
    ///
    /// # Errors
    /// A sentence for people if the file can't be read.
    pub fn count(&self) -> Result<Counts, String> {
        records::count(&self.tables.connection).map_err(|why| self.trouble("can't be read", &why))
    }

    /// Size of the write-ahead log in bytes. Asked for by name: opening any of the files beside
    /// SQLite would drop its locks.
    pub(super) fn log_bytes(&self) -> u64 {
        fs::metadata(beside(&self.path, "-wal")).map_or(0, |found| found.len())
    }

    fn trouble(&self, what: &str, why: &rusqlite::Error) -> String {
        format!("the data file {} {what}: {}", self.path.display(), words(why))
    }
}

/// New content of a data file, while it is written. Nothing has changed until it is committed.
pub struct Replacement<'a> {
    file: &'a mut DataFile,
}

impl Replacement<'_> {
    /// Adds records.
    ///
    /// # Errors
    /// A sentence for people if the file can't be written.
    pub fn write(&mut self, records: &[Record]) -> Result<(), String> {
        let written = records::add_all(&mut self.file.tables, records);
        self.checked(written)
    }

    /// Makes the new content the file's, in one step.
    ///
    /// # Errors
    /// A sentence for people if the file can't be written; it is as before then.
    pub fn commit(self) -> Result<(), String> {
        let committed = self.file.tables.commit();
        self.checked(committed)
    }

    fn checked(&self, done: rusqlite::Result<()>) -> Result<(), String> {
        done.map_err(|why| self.file.trouble("can't be written", &why))
    }
}

impl Drop for Replacement<'_> {
    fn drop(&mut self) {
        self.file.tables.roll_back();
    }
}

/// The lock file beside a data file. SQLite's own locks are let go between transactions.
struct Lock {
    file: File,
    path: PathBuf,
    is_new: bool,
}

impl Lock {
    fn take(data: &Path) -> Result<Lock, String> {
        let path = beside(data, ".lock");
        let is_new = !path.exists();
        let opened = private().create(true).truncate(false).open(&path);
        let file = opened.map_err(|why| format!("{} can't be opened: {why}", path.display()))?;
        match file.try_lock() {
            Ok(()) => Ok(Lock { file, path, is_new }),
            Err(TryLockError::WouldBlock) => {
                Err(format!("the data file {} is in use by another process", data.display()))
            }
            Err(TryLockError::Error(why)) => {
                Err(format!("{} can't be locked: {why}", path.display()))
            }
        }
    }

    /// Leaves no trace beside a file that is not ours.
    fn undo(self) {
        if self.is_new {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Drop for Lock {
    /// Closing it is not enough while a process that is just being started has a copy of it.
    fn drop(&mut self) {
        let _ = self.file.unlock();
    }
}

/// For files that only their owner may read: they hold password hashes and a secret.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    options
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Looks at a file without changing anything in or beside it, and says why it can't be used.
fn look(path: &Path) -> Result<(), String> {
    // "immutable": no locks, no log. Whatever made the file put its marks into it before the log began.
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut uri = OsString::from("file://");
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => {
                uri.push(char::from(*byte).to_string());
            }
            _ => uri.push(format!("%{byte:02X}")),
        }
    }
    uri.push("?immutable=1");
    match Connection::open_with_flags(uri, flags) {
        Ok(connection) => schema::check(&connection),
        Err(why) => Err(format!("can't be opened: {}", words(&why))),
    }
}

/// Makes a new data file under another name and then gives it its own: it is there wholly or not.
fn make(path: &Path) -> Result<(), String> {
    let log = beside(path, "-wal");
    if fs::metadata(&log).is_ok_and(|found| found.len() > 0) {
        // SQLite would take it for the log of the new file.
        let log = log.display();
        return Err(format!(
            "is missing, but its log {log} is there: bring it back or delete the log"
        ));
    }
    let new = beside(path, ".new");
    for leftover in [beside(path, ".new-journal"), new.clone()] {
        let _ = fs::remove_file(leftover);
    }
    let failed = |why: &dyn std::fmt::Display| format!("can't be made: {why}");
    private().create_new(true).open(&new).map_err(|why| failed(&why))?;
    let secret = URL_SAFE_NO_PAD.encode(rand::random::<[u8; SECRET_BYTES]>());
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let made = Connection::open_with_flags(&new, flags)
        .and_then(|connection| schema::create(&connection, &secret));
    if let Err(why) = made {
        let _ = fs::remove_file(&new);
        return Err(failed(&words(&why)));
    }
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::rename(&new, path).and_then(|()| File::open(folder)?.sync_all()).map_err(|why| failed(&why))
}

/// Brings a fresh connection into the state that writing needs; returns the file's secret.
fn prepare(connection: &Connection, sync: Sync) -> Result<String, String> {
    let failed = |why: rusqlite::Error| format!("can't be opened: {}", words(&why));
    connection.busy_timeout(BUSY).map_err(failed)?;
    // Before anything is read, which would make a log.
    if connection.is_readonly("main").map_err(failed)? {
        return Err("can only be read, not written".into());
    }
    // Again: the log may know of a newer version.
    schema::check(connection)?;
    let mode: String = connection
        .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))
        .map_err(failed)?;
    if mode != "wal" {
        return Err("is on a file system that can't share memory, as network ones can't".into());
    }
    let level = match sync {
        Sync::Full => "FULL",
        Sync::Normal => "NORMAL",
    };
    let set = connection
        .pragma_update(None, "synchronous", level)
        .and_then(|()| connection.pragma_update(None, "trusted_schema", false))
        .and_then(|()| {
            connection.pragma_update_and_check(None, "journal_size_limit", LOG_BYTES, |_| Ok(()))
        });
    set.map_err(failed)?;
    connection.set_prepared_statement_cache_capacity(64);
    let secret = "SELECT value FROM meta WHERE name = ?1";
    let found = connection
        .query_row(secret, [schema::SESSION_SECRET], |row| row.get(0))
        .optional()
        .map_err(failed)?;
    found.ok_or_else(|| "is damaged: its session secret is missing".into())
}
