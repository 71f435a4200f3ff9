//! Rooms and their messages (`http-and-redis.md` sections 2, 7 and 8).

use std::ops::RangeInclusive;

use redis::{Pipeline, Value, pipe};

use super::{
    RedisStore,
    reply::{Replies, text},
};
use crate::{
    contract::keys,
    store::{Preload, Result, RoomKind, RoomRow, RoomState},
};

impl RedisStore {
    pub(crate) async fn create_private_room(
        &self,
        user1: &str,
        user2: &str,
        room: &str,
    ) -> Result<[Option<String>; 2]> {
        let mut ask = pipe();
        for user in [user1, user2] {
            ask.cmd("SADD").arg(keys::user_rooms(user)).arg(room);
        }
        for user in [user1, user2] {
            ask.cmd("HGET").arg(keys::user(user)).arg("username");
        }
        let mut replies = self.ask(&ask).await?;
        replies.done()?;
        replies.done()?;
        Ok([replies.text()?, replies.text()?])
    }

    /// One round trip if the user's list is as it was last time.
    pub(crate) async fn rooms_of(&self, user: &str) -> Result<Vec<RoomRow>> {
        let guess = self.guesses.borrow().of(user);
        let mut ask = pipe();
        ask.cmd("SMEMBERS").arg(keys::user_rooms(user));
        guess.iter().for_each(|id| ask_about(&mut ask, id));
        let mut replies = self.ask(&ask).await?;
        let ids: Vec<String> = replies.list()?.into_iter().map(text).collect();
        if ids != *guess {
            self.guesses.borrow_mut().note(user, &ids);
            let mut ask = pipe();
            ids.iter().for_each(|id| ask_about(&mut ask, id));
            replies = self.ask(&ask).await?;
        }
        let mut rows = Vec::with_capacity(ids.len());
        for id in ids {
            let name = replies.text()?;
            let has_messages = replies.flag()?;
            // Asked for in any case, but looked at only where the original would have asked.
            let names = pair(&id).map(|_| [replies.any(), replies.any()]);
            match (name.filter(|name| !name.is_empty()), names) {
                (Some(name), _) => rows.push(RoomRow::Named { id, name }),
                (None, _) if !has_messages => {}
                (None, Some(names)) => {
                    let mut names = Replies::new(names.into());
                    let names = [names.text()?, names.text()?];
                    rows.push(RoomRow::Private { id, names });
                }
                (None, None) => {
                    // The answer is decided; what the original had not asked any more is dropped.
                    rows.push(RoomRow::Malformed);
                    break;
                }
            }
        }
        Ok(rows)
    }

    pub(crate) async fn listed_rooms(&self, user: &str) -> Result<Vec<String>> {
        let mut ask = pipe();
        ask.cmd("SMEMBERS").arg(keys::user_rooms(user));
        Ok(self.ask(&ask).await?.list()?.into_iter().map(text).collect())
    }

    pub(crate) async fn is_listed(&self, user: &str, room: &str) -> Result<bool> {
        let mut ask = pipe();
        ask.cmd("SISMEMBER").arg(keys::user_rooms(user)).arg(room);
        self.ask(&ask).await?.flag()
    }

    pub(crate) async fn room_exists(&self, room: &str) -> Result<bool> {
        let mut ask = pipe();
        ask.cmd("EXISTS").arg(keys::room(room));
        self.ask(&ask).await?.flag()
    }

    pub(crate) async fn history(
        &self,
        room: &str,
        start: i64,
        stop: i64,
    ) -> Result<Option<Vec<Vec<u8>>>> {
        let key = keys::room(room);
        let mut ask = pipe();
        ask.cmd("EXISTS").arg(&key).cmd("ZREVRANGE").arg(&key).arg(start).arg(stop);
        let mut replies = self.ask(&ask).await?;
        if replies.flag()? { replies.list().map(Some) } else { Ok(None) }
    }

    pub(crate) async fn messages_dated(
        &self,
        rooms: &[(String, usize)],
        dated: &RangeInclusive<f64>,
        most: usize,
    ) -> Result<Vec<Vec<Vec<u8>>>> {
        let mut ask = pipe();
        for (room, skip) in rooms {
            ask.cmd("ZRANGEBYSCORE").arg(keys::room(room)).arg(dated.start()).arg(dated.end());
            ask.arg("LIMIT").arg(*skip).arg(most);
        }
        let mut replies = self.ask(&ask).await?;
        rooms.iter().map(|_| of_room(&mut replies, Replies::list)).collect()
    }

    pub(crate) async fn rooms_begun_after(&self, rooms: &[String], from: f64) -> Result<Vec<bool>> {
        let mut ask = pipe();
        for room in rooms {
            ask.cmd("ZCOUNT").arg(keys::room(room)).arg("-inf").arg(format!("({from}"));
        }
        let mut replies = self.ask(&ask).await?;
        let older = rooms.iter().map(|_| of_room(&mut replies, |r| r.int().map(Some)));
        older.map(|older| Ok(older? == Some(0))).collect()
    }

    pub(crate) async fn preload(&self) -> Result<Preload> {
        let mut ask = pipe();
        ask.cmd("GET").arg(keys::room_name(keys::GENERAL_ROOM));
        ask.cmd("ZREVRANGE").arg(keys::room(keys::GENERAL_ROOM)).arg(0).arg(Preload::LAST);
        let mut replies = self.ask(&ask).await?;
        Ok(Preload { name: replies.text()?, messages: replies.list()? })
    }

    pub(crate) async fn room_state(&self, room: &str) -> Result<RoomState> {
        let mut ask = pipe();
        ask.cmd("EXISTS").arg(keys::room_name(room)).cmd("TYPE").arg(keys::room(room));
        let mut replies = self.ask(&ask).await?;
        let named = replies.flag()?;
        let kind = match replies.text()?.as_deref() {
            Some("none") | None => RoomKind::Absent,
            Some("zset") => RoomKind::SortedSet,
            Some(_) => RoomKind::Other,
        };
        Ok(RoomState { named, kind })
    }
}

/// Asks for all that a row of a user's rooms may need.
fn ask_about(ask: &mut Pipeline, id: &str) {
    ask.cmd("GET").arg(keys::room_name(id)).cmd("EXISTS").arg(keys::room(id));
    for user in pair(id).into_iter().flatten() {
        ask.cmd("HGET").arg(keys::user(user)).arg("username");
    }
}

/// The next reply, read by `read`; a default where the key holds no messages but something else. Any
/// other refusal counts, so that what could not be read does not pass for empty.
fn of_room<T: Default>(
    replies: &mut Replies,
    read: impl FnOnce(&mut Replies) -> Result<T>,
) -> Result<T> {
    let reply = replies.any();
    if matches!(&reply, Value::ServerError(error) if error.code() == "WRONGTYPE") {
        return Ok(T::default());
    }
    read(&mut Replies::new(vec![reply]))
}

/// The two users in the id of a private room: it must have exactly two parts.
fn pair(id: &str) -> Option<[&str; 2]> {
    let (first, second) = id.split_once(':')?;
    if second.contains(':') { None } else { Some([first, second]) }
}
