//! `export` and `import`: the data moves between the embedded store's file and a Redis.
//!
//! An import is one transaction: if it fails, the file holds what it held. A Redis can't take
//! everything in one step, so an export that fails says that its target is incomplete.

use std::{
    fmt,
    io::{IsTerminal, Write, stderr},
    time::{Duration, Instant},
};

use tokio::sync::mpsc;

use super::exit::Failure;
use crate::{
    config::{Direction, Ends, Transfer},
    store::{
        StoreError,
        embedded::file::DataFile,
        record::Record,
        redis::{dump::RedisData, link},
    },
};

/// Records that are written in one step, and bytes of messages after which there are no more.
const LOT: usize = 500;
const LOT_BYTES: usize = 4 << 20;
/// Lots that have been read and wait to be written.
const LOTS_AHEAD: usize = 4;

/// Does what the command says, and tells how it went on standard output. Must be called where
/// `spawn_local` works.
///
/// # Errors
/// What ends the program with a code of its own.
pub async fn run(transfer: Transfer) -> Result<(), Failure> {
    let Transfer { direction, ends } = transfer;
    let place = link::client(&ends.redis).map(|client| link::place(&client));
    let place = format!("the Redis at {}", place.map_err(Failure::Setting)?);
    match direction {
        Direction::Export => export(&ends, &place).await,
        Direction::Import => import(&ends, &place).await,
    }
}

async fn export(ends: &Ends, place: &str) -> Result<(), Failure> {
    let shown = ends.embedded.data_file.display();
    let file = DataFile::open_existing(&ends.embedded.data_file, ends.embedded.data_sync)
        .map_err(Failure::Local)?;
    let secret = file.session_secret().to_owned();
    let redis = RedisData::open(&ends.redis).await.map_err(|why| Failure::Store(why.0))?;
    let lost = |why| Failure::Store(format!("{place}: {}", plain(why)));
    if !redis.is_empty().await.map_err(lost)? {
        if !ends.force {
            return Err(not_empty(&place));
        }
        redis.clear().await.map_err(lost)?;
    }
    let all = file.count().map_err(Failure::Local)?;
    let mut progress = Progress::new("exported", Some(all.messages));
    // The file is read on a thread of its own, so that writing to Redis does not wait for it.
    let (sender, mut lots) = mpsc::channel(LOTS_AHEAD);
    let reading = std::thread::spawn(move || read_file(file, &sender));
    let mut written = Ok(());
    while let Some(lot) = lots.recv().await {
        written = redis.write(&lot).await;
        if written.is_err() {
            break;
        }
        progress.add(&lot);
    }
    drop(lots);
    let incomplete = |why: String| {
        let again = format!("{place} holds only a part now; export again with --force");
        format!("{why}. {again}")
    };
    let read = reading.join().unwrap_or_else(|_| Err("the reading thread ended early".into()));
    written.map_err(|why| Failure::Store(incomplete(format!("{place}: {}", plain(why)))))?;
    read.map_err(|why| Failure::Local(incomplete(why)))?;
    println!("Exported {} from {shown} to {place}.", progress.finish());
    println!(
        "Signed-in browsers stay signed in if the servers on that Redis sign with the same secret:"
    );
    match &ends.session_secret {
        Some(_) => println!("the SESSION_SECRET that is set now, if the file's server had it too."),
        None => println!("  SESSION_SECRET={secret}"),
    }
    Ok(())
}

/// Reads all records in lots, until nobody takes them any more.
fn read_file(mut file: DataFile, lots: &mpsc::Sender<Vec<Record>>) -> Result<(), String> {
    let (mut lot, mut bytes) = (Vec::new(), 0);
    file.read(|record| -> Result<(), String> {
        if let Record::Message { member, .. } = &record {
            bytes += member.len();
        }
        lot.push(record);
        if lot.len() < LOT && bytes < LOT_BYTES {
            return Ok(());
        }
        bytes = 0;
        lots.blocking_send(std::mem::take(&mut lot)).map_err(|_| "writing ended early".to_owned())
    })?;
    // The last one may find that nobody waits; why is known there.
    let _ = lots.blocking_send(lot);
    Ok(())
}

async fn import(ends: &Ends, place: &str) -> Result<(), Failure> {
    let shown = ends.embedded.data_file.display();
    let redis = RedisData::open(&ends.redis).await.map_err(|why| Failure::Store(why.0))?;
    let lost = |why| Failure::Store(format!("{place}: {}", plain(why)));
    if redis.is_empty().await.map_err(lost)? {
        return Err(Failure::Local(format!("{place} holds no data of the chat")));
    }
    let mut file = DataFile::open(&ends.embedded.data_file, ends.embedded.data_sync)
        .map_err(Failure::Local)?;
    if !ends.force && !file.is_empty().map_err(Failure::Local)? {
        return Err(not_empty(&shown));
    }
    let mut progress = Progress::new("imported", None);
    let mut fill = file.replace().map_err(Failure::Local)?;
    let read = redis.read(|lot| {
        fill.write(&lot).map_err(StoreError::Refused)?;
        progress.add(&lot);
        Ok(())
    });
    let unchanged = |why: String| format!("{why}. Nothing was changed in {shown}");
    let passed_over = read.await.map_err(|why| Failure::Store(unchanged(plain(why))))?;
    fill.commit().map_err(|why| Failure::Local(unchanged(why)))?;
    println!("Imported {} from {place} into {shown}.", progress.finish());
    if passed_over.keys > 0 {
        let keys = counted(passed_over.keys as u64, "key");
        let example = passed_over.example.map(|key| format!(", such as '{key}'"));
        println!("Passed over {keys} without data of the chat{}.", example.unwrap_or_default());
    }
    println!(
        "Signed-in browsers stay signed in if this file's server gets the secret of the servers"
    );
    println!(
        "on that Redis (SESSION_SECRET; the original's is 'keyboard cat'). Without it, it signs"
    );
    println!("with a secret of its own, and everybody signs in again.");
    Ok(())
}

fn not_empty(target: &dyn fmt::Display) -> Failure {
    Failure::Local(format!(
        "{target} holds data of the chat already; it was left as it is. --force replaces it"
    ))
}

/// The words of an error alone.
fn plain(why: StoreError) -> String {
    match why {
        StoreError::Unavailable(why) | StoreError::Refused(why) => why,
    }
}

/// Counts what was moved, and shows it now and then on long work.
struct Progress {
    verb: &'static str,
    /// How many messages there are to move, if that is known.
    total: Option<u64>,
    users: u64,
    rooms: u64,
    messages: u64,
    sessions: u64,
    /// The room of the last message: the messages of one come together.
    room: Option<String>,
    shown: Instant,
    /// Whether there is a line to be wiped.
    line: bool,
}

impl Progress {
    const PAUSE: Duration = Duration::from_secs(1);

    fn new(verb: &'static str, total: Option<u64>) -> Progress {
        Progress {
            verb,
            total,
            users: 0,
            rooms: 0,
            messages: 0,
            sessions: 0,
            room: None,
            shown: Instant::now(),
            line: false,
        }
    }

    fn add(&mut self, lot: &[Record]) {
        for record in lot {
            match record {
                Record::User { .. } => self.users += 1,
                Record::Session { .. } => self.sessions += 1,
                Record::Message { room, .. } => {
                    self.messages += 1;
                    if self.room.as_ref() != Some(room) {
                        self.rooms += 1;
                        self.room = Some(room.clone());
                    }
                }
                _ => {}
            }
        }
        if self.shown.elapsed() > Self::PAUSE {
            self.shown = Instant::now();
            self.show();
        }
    }

    fn show(&mut self) {
        // Only a terminal can write over a line; a log gets one after the other.
        let (before, after) = if stderr().is_terminal() { ("\r\x1b[K", "") } else { ("", "\n") };
        self.line = after.is_empty();
        let of = self.total.map(|total| format!(", of {}", counted(total, "message")));
        let of = of.unwrap_or_default();
        let _ = write!(stderr(), "{before}{} so far: {self}{of}{after}", self.verb);
    }

    /// The counts, after the last record.
    fn finish(self) -> String {
        if self.line {
            let _ = write!(stderr(), "\r\x1b[K");
        }
        self.to_string()
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}, {} in {} and {}",
            counted(self.users, "user"),
            counted(self.messages, "message"),
            counted(self.rooms, "room"),
            counted(self.sessions, "session")
        )
    }
}

fn counted(count: u64, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
}
