//! Session documents (`http-and-redis.md` section 6): bytes with an end of life, by the clock, in
//! milliseconds since 1970.

use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OptionalExtension, Result, params};

use super::{EmbeddedStore, rooms, tables::Tables};
use crate::{
    contract::keys::SESSION_SECONDS,
    store::{self, Peeked, Renewal, StoreError},
};

/// A load that would move the end of life by less than this, in milliseconds, leaves it: else every
/// request would be a write. So a session may end that much before its day is over.
const RENEWAL_STEP: u64 = 60_000;

impl EmbeddedStore {
    pub(crate) async fn session_load(&self, sid: &str) -> store::Result<Option<Vec<u8>>> {
        let Some((document, expires)) = self.living(sid).await? else { return Ok(None) };
        let renewed = end_of_life(SESSION_SECONDS)?;
        if renewed.abs_diff(expires) >= RENEWAL_STEP {
            let sid = sid.to_owned();
            // Nobody waits for the disk: a life that is cut short by a lost machine is no harm. If the
            // session's life was set anew since the look, that stands.
            self.write_later(move |tables| {
                let renew = "UPDATE sessions SET expires = ?3 WHERE sid = ?1 AND expires = ?2";
                let mut renew = tables.connection.prepare_cached(renew)?;
                renew.execute(params![sid, expires, renewed]).map(|_| ())
            });
        }
        Ok(Some(document))
    }

    pub(crate) async fn session_peek(&self, sid: &str) -> store::Result<Option<Vec<u8>>> {
        Ok(self.living(sid).await?.map(|(document, _)| document))
    }

    pub(crate) async fn session_peek_with_rooms(
        &self,
        sid: &str,
        user_of: fn(&[u8]) -> Option<String>,
    ) -> store::Result<Option<Peeked>> {
        let sid = sid.to_owned();
        self.read(move |connection| {
            let Some((document, expires)) = living(connection, &sid)? else { return Ok(None) };
            let user = user_of(&document);
            let rooms = user.map_or(Ok(Vec::new()), |user| rooms::listed(connection, &user))?;
            let seconds = u64::try_from((expires - now()) / 1000).unwrap_or_default();
            Ok(Some(Peeked { document, seconds, rooms }))
        })
        .await
    }

    pub(crate) async fn session_create(
        &self,
        sid: &str,
        text: &str,
        seconds: u64,
    ) -> store::Result<()> {
        let expires = end_of_life(seconds)?;
        let (sid, document) = (sid.to_owned(), text.as_bytes().to_owned());
        self.write(move |tables| set(tables, &sid, &document, expires)).await
    }

    pub(crate) async fn session_replace(
        &self,
        sid: &str,
        text: &str,
        seconds: u64,
    ) -> store::Result<bool> {
        let expires = end_of_life(seconds)?;
        let (sid, document) = (sid.to_owned(), text.as_bytes().to_owned());
        self.write(move |tables| replace(tables, &sid, &document, expires)).await
    }

    pub(crate) async fn session_renew(&self, renewal: Renewal) -> store::Result<()> {
        let Renewal { sid, document, old_sid, old_document, .. } = renewal;
        let expires = [end_of_life(document.seconds)?, end_of_life(old_document.seconds)?];
        self.write(move |tables| {
            set(tables, &sid, document.text.as_bytes(), expires[0])?;
            replace(tables, &old_sid, old_document.text.as_bytes(), expires[1]).map(|_| ())
        })
        .await
    }

    pub(crate) async fn session_delete(&self, sid: &str) -> store::Result<()> {
        let sid = sid.to_owned();
        self.write(move |tables| {
            let delete = "DELETE FROM sessions WHERE sid = ?1";
            tables.connection.prepare_cached(delete)?.execute([&sid]).map(|_| ())
        })
        .await
    }

    async fn living(&self, sid: &str) -> store::Result<Option<(Vec<u8>, i64)>> {
        let sid = sid.to_owned();
        self.read(move |connection| living(connection, &sid)).await
    }
}

/// The document of a session that lives, and its end of life.
fn living(connection: &Connection, sid: &str) -> Result<Option<(Vec<u8>, i64)>> {
    let find = "SELECT document, expires FROM sessions WHERE sid = ?1 AND expires > ?2";
    connection
        .prepare_cached(find)?
        .query_row(params![sid, now()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
}

/// Replaces a session that lives. False if there is none.
fn replace(tables: &mut Tables, sid: &str, document: &[u8], expires: i64) -> Result<bool> {
    let replace = "UPDATE sessions SET document = ?2, expires = ?3
        WHERE sid = ?1 AND expires > ?4";
    let mut replace = tables.connection.prepare_cached(replace)?;
    Ok(replace.execute(params![sid, document, expires, now()])? > 0)
}

pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// The end of a life that begins now. Redis refuses the same ones.
fn end_of_life(seconds: u64) -> store::Result<i64> {
    let life = i64::try_from(seconds).ok().filter(|seconds| *seconds > 0);
    life.and_then(|seconds| seconds.checked_mul(1000)?.checked_add(now()))
        .ok_or_else(|| StoreError::Refused(format!("a session can't live {seconds} seconds")))
}

/// Stores a session over any that has the id.
pub(super) fn set(tables: &mut Tables, sid: &str, document: &[u8], expires: i64) -> Result<()> {
    let set = "INSERT INTO sessions (sid, document, expires) VALUES (?1, ?2, ?3)
        ON CONFLICT (sid) DO UPDATE SET document = excluded.document, expires = excluded.expires";
    tables.connection.prepare_cached(set)?.execute(params![sid, document, expires]).map(|_| ())
}

/// Deletes up to `most` sessions whose life has ended; returns how many it were.
pub(super) fn sweep(tables: &mut Tables, most: usize) -> Result<usize> {
    let ended = "DELETE FROM sessions WHERE sid IN
        (SELECT sid FROM sessions WHERE expires <= ?1 ORDER BY expires LIMIT ?2)";
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    tables.connection.prepare_cached(ended)?.execute(params![now(), most])
}
