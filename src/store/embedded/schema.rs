//! The layout of the data file, and how one is told from other files.
//!
//! What stands here is kept for ever: files of version 1 exist. A change gets a new version and a
//! step that brings older files up to it.

use rusqlite::{Connection, ErrorCode, Result};

use super::failure::words;

/// `PRAGMA application_id`: what makes an SQLite file one of ours.
const APPLICATION: i32 = i32::from_be_bytes(*b"rchs");
/// `PRAGMA user_version`: the layout that this program reads and writes.
const VERSION: i32 = 1;

/// Messages are kept the way Redis keeps a sorted set: once in the order of score and member, and
/// once by member, to find the score that an equal one has. The second is by digest (the first 16
/// bytes of SHA-256), so that no member is stored twice. A row of `rooms` exists exactly if the room
/// has a name or messages. `place` and `number` only grow.
const TABLES: &str = "
CREATE TABLE meta (
  name TEXT PRIMARY KEY,
  value ANY NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE names (
  name TEXT PRIMARY KEY,
  user TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE users (
  id TEXT PRIMARY KEY,
  username TEXT,
  password TEXT
) STRICT, WITHOUT ROWID;
CREATE TABLE user_rooms (
  place INTEGER PRIMARY KEY,
  user TEXT NOT NULL,
  room TEXT NOT NULL,
  UNIQUE (user, room)
) STRICT;
CREATE TABLE rooms (
  number INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  name TEXT
) STRICT;
CREATE TABLE messages (
  room INTEGER NOT NULL,
  score REAL NOT NULL,
  member BLOB NOT NULL,
  PRIMARY KEY (room, score, member)
) STRICT, WITHOUT ROWID;
CREATE TABLE member_scores (
  room INTEGER NOT NULL,
  digest BLOB NOT NULL,
  score REAL NOT NULL,
  PRIMARY KEY (room, digest)
) STRICT, WITHOUT ROWID;
CREATE TABLE sessions (
  sid TEXT PRIMARY KEY,
  document BLOB NOT NULL,
  expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_end ON sessions (expires);
";

/// Names in `meta`.
pub(super) const LAST_USER_ID: &str = "last_user_id";
/// The secret for session cookies.
pub(super) const SESSION_SECRET: &str = "session_secret";

/// Fills an empty file: all of it or nothing.
pub(super) fn create(connection: &Connection, secret: &str) -> Result<()> {
    let transaction = connection.unchecked_transaction()?;
    transaction.execute_batch(TABLES)?;
    transaction
        .execute("INSERT INTO meta (name, value) VALUES (?1, ?2)", [SESSION_SECRET, secret])?;
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()
}

/// Why a file can't be used, as the end of a sentence that begins with its name; `Ok` if it can.
pub(super) fn check(connection: &Connection) -> std::result::Result<(), String> {
    let number = |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get(0));
    let both = number("application_id").and_then(|id: i32| Ok((id, number("user_version")?)));
    match both {
        Ok((APPLICATION, VERSION)) => Ok(()),
        Ok((APPLICATION, newer)) if newer > VERSION => Err(format!(
            "was written by a newer version of this program (layout {newer}, this one knows up to \
             {VERSION}); nothing was changed"
        )),
        Err(why) if why.sqlite_error_code() != Some(ErrorCode::NotADatabase) => {
            Err(format!("can't be read: {}", words(&why)))
        }
        _ => Err("is not a data file of this program; nothing was changed".into()),
    }
}
