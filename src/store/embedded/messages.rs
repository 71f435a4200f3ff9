//! Messages, in the order of a Redis sorted set (`http-and-redis.md` section 9): by score, and
//! messages of one score by the bytes of the member.

use rusqlite::{CachedStatement, Connection, OptionalExtension, Result, Row, params};
use sha2::{Digest, Sha256};

use super::{rooms, tables::Tables};

/// Bytes of SHA-256 that tell members of a room apart.
const DIGEST_BYTES: usize = 16;

/// Puts a message into its room; one that is there already gets the new score. Says whether the
/// room had neither a name nor messages before.
pub(super) fn add(tables: &mut Tables, room: &str, score: f64, member: &[u8]) -> Result<bool> {
    let (room, room_was_new) = rooms::number(tables, room)?;
    // Zero has one sign here: Redis does not tell them apart either.
    let score = score + 0.0;
    let digest = &Sha256::digest(member)[..DIGEST_BYTES];
    let connection = &tables.connection;
    let mut note = connection.prepare_cached(
        "INSERT INTO member_scores (room, digest, score) VALUES (?1, ?2, ?3)
         ON CONFLICT DO NOTHING",
    )?;
    if note.execute(params![room, digest, score])? == 0 {
        let mut find = connection
            .prepare_cached("SELECT score FROM member_scores WHERE room = ?1 AND digest = ?2")?;
        let before: f64 = find.query_row(params![room, digest], |row| row.get(0))?;
        if before == score {
            return Ok(room_was_new);
        }
        connection
            .prepare_cached("DELETE FROM messages WHERE room = ?1 AND score = ?2 AND member = ?3")?
            .execute(params![room, before, member])?;
        connection
            .prepare_cached("UPDATE member_scores SET score = ?3 WHERE room = ?1 AND digest = ?2")?
            .execute(params![room, digest, score])?;
    }
    connection
        .prepare_cached("INSERT INTO messages (room, score, member) VALUES (?1, ?2, ?3)")?
        .execute(params![room, score, member])?;
    Ok(room_was_new)
}

/// Messages from index `start` to `stop`, newest first, as ZREVRANGE counts; `None` if there are
/// none at all. Rows before the first one are walked over, so the costs grow with the distance from
/// the newest message, or from the oldest if both are negative.
pub(super) fn range(
    connection: &Connection,
    room: &str,
    start: i64,
    stop: i64,
) -> Result<Option<Vec<Vec<u8>>>> {
    let snapshot = connection.unchecked_transaction()?;
    let find = "SELECT number FROM rooms
        WHERE id = ?1 AND EXISTS (SELECT 1 FROM messages WHERE room = number)";
    let room: Option<i64> =
        snapshot.prepare_cached(find)?.query_row([room], |row| row.get(0)).optional()?;
    let Some(room) = room else { return Ok(None) };
    if start < 0 && stop < 0 {
        let (skip, take) = (-(stop + 1), stop.saturating_sub(start).saturating_add(1));
        let mut found = rows(oldest(&snapshot)?, room, skip, take)?;
        found.reverse();
        return Ok(Some(found));
    }
    let (start, stop) = if start < 0 || stop < 0 {
        let all = "SELECT count(*) FROM member_scores WHERE room = ?1";
        let all: i64 = snapshot.prepare_cached(all)?.query_row([room], |row| row.get(0))?;
        let forward = |index: i64| if index < 0 { all.saturating_add(index) } else { index };
        (forward(start).max(0), forward(stop))
    } else {
        (start, stop)
    };
    let take = stop.saturating_sub(start).saturating_add(1);
    rows(newest(&snapshot)?, room, start, take).map(Some)
}

pub(super) const NEWEST: &str = "SELECT member FROM messages WHERE room = ?1
    ORDER BY score DESC, member DESC LIMIT ?2 OFFSET ?3";

fn newest(connection: &Connection) -> Result<CachedStatement<'_>> {
    connection.prepare_cached(NEWEST)
}

fn oldest(connection: &Connection) -> Result<CachedStatement<'_>> {
    connection.prepare_cached(
        "SELECT member FROM messages WHERE room = ?1 ORDER BY score, member LIMIT ?2 OFFSET ?3",
    )
}

fn rows(
    mut statement: CachedStatement<'_>,
    room: i64,
    skip: i64,
    take: i64,
) -> Result<Vec<Vec<u8>>> {
    // SQLite takes a negative limit for none.
    if take <= 0 {
        return Ok(Vec::new());
    }
    let member = |row: &Row<'_>| row.get(0);
    statement.query_map(params![room, take, skip], member)?.collect()
}
