//! Records into the tables and out of them.

use std::time::Duration;

use rusqlite::{Connection, Result, Row, params};

use super::{
    file::Counts,
    messages, rooms,
    schema::LAST_USER_ID,
    sessions::{self, now},
    tables::Tables,
    users,
};
use crate::store::record::Record;

/// Writes records inside the open transaction.
pub(super) fn add_all(tables: &mut Tables, records: &[Record]) -> Result<()> {
    records.iter().try_for_each(|record| add(tables, record))
}

/// Deletes everything but the secret inside the open transaction.
pub(super) fn clear(tables: &mut Tables) -> Result<()> {
    tables.forget();
    for table in ["names", "users", "user_rooms", "rooms", "messages", "member_scores", "sessions"]
    {
        tables.connection.execute(&format!("DELETE FROM {table}"), [])?;
    }
    let counter = "DELETE FROM meta WHERE name = ?1";
    tables.connection.execute(counter, [LAST_USER_ID]).map(|_| ())
}

fn add(tables: &mut Tables, record: &Record) -> Result<()> {
    match record {
        Record::LastUserId(id) => users::set_last_id(tables, *id),
        Record::Name { name, id } => users::set_name(tables, name, id),
        Record::User { id, username, password } => {
            users::set(tables, id, username.as_deref(), password.as_deref())
        }
        Record::UserRoom { user, room } => rooms::enter(tables, user, room),
        Record::RoomName { room, name } => rooms::set_name(tables, room, name),
        Record::Message { room, score, member } => {
            messages::add(tables, room, *score, member).map(|_| ())
        }
        Record::Session { sid, document, life } => {
            let millis = i64::try_from(life.as_millis()).unwrap_or(i64::MAX).max(1);
            sessions::set(tables, sid, document, now().saturating_add(millis))
        }
    }
}

/// Hands out all records of one snapshot, until `on` says that it is enough.
pub(super) fn read_all(connection: &Connection, mut on: impl FnMut(Record) -> bool) -> Result<()> {
    let snapshot = connection.unchecked_transaction()?;
    let now = now();
    let mut table = |sql: &str, record: &dyn Fn(&Row<'_>) -> Result<Record>| -> Result<bool> {
        let mut statement = snapshot.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            if !on(record(row)?) {
                return Ok(false);
            }
        }
        Ok(true)
    };
    let counter = format!("SELECT value FROM meta WHERE name = '{LAST_USER_ID}'");
    let sessions =
        format!("SELECT sid, document, expires FROM sessions WHERE expires > {now} ORDER BY sid");
    // Each table only if the one before it was wanted to its end.
    let _ = table(&counter, &|row| Ok(Record::LastUserId(row.get(0)?)))?
        && table("SELECT name, user FROM names ORDER BY name", &|row| {
            Ok(Record::Name { name: row.get(0)?, id: row.get(1)? })
        })?
        && table("SELECT id, username, password FROM users ORDER BY id", &|row| {
            Ok(Record::User { id: row.get(0)?, username: row.get(1)?, password: row.get(2)? })
        })?
        && table("SELECT user, room FROM user_rooms ORDER BY place", &|row| {
            Ok(Record::UserRoom { user: row.get(0)?, room: row.get(1)? })
        })?
        && table("SELECT id, name FROM rooms WHERE name IS NOT NULL ORDER BY number", &|row| {
            Ok(Record::RoomName { room: row.get(0)?, name: row.get(1)? })
        })?
        && table(
            "SELECT rooms.id, score, member FROM messages JOIN rooms ON rooms.number = room
             ORDER BY room, score, member",
            &|row| {
                let (room, score, member) = (row.get(0)?, row.get(1)?, row.get(2)?);
                Ok(Record::Message { room, score, member })
            },
        )?
        && table(&sessions, &|row| {
            let left = row.get::<_, i64>(2)?.saturating_sub(now);
            let life = Duration::from_millis(u64::try_from(left).unwrap_or(0));
            Ok(Record::Session { sid: row.get(0)?, document: row.get(1)?, life })
        })?;
    Ok(())
}

/// How many pieces there are. The digests are counted for the messages: they are smaller.
pub(super) fn count(connection: &Connection) -> Result<Counts> {
    connection.query_row(
        "SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM rooms),
            (SELECT count(*) FROM member_scores),
            (SELECT count(*) FROM sessions WHERE expires > ?1)",
        params![now()],
        |row| {
            Ok(Counts {
                users: row.get(0)?,
                rooms: row.get(1)?,
                messages: row.get(2)?,
                sessions: row.get(3)?,
            })
        },
    )
}
