//! The chat's data on a Redis, as records: read, written and cleared as a whole, for the move to and
//! from another store. Not for a server at work.

use std::{collections::HashSet, time::Duration};

use redis::{Pipeline, Value, pipe};

use super::{
    link::{Link, StartError},
    records,
    reply::{Replies, text},
};
use crate::{
    config::RedisSettings,
    contract::keys,
    store::{Result, StoreError, record::Record},
};

/// Keys that are looked at in one round trip.
const KEYS: usize = 500;
/// Messages in one round trip; one may have a megabyte.
const MESSAGES: usize = 200;
/// Within which Redis must answer at least: what is asked for here is larger than a server's.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A Redis, as a holder of the chat's data.
pub struct RedisData {
    link: Link,
}

/// What was passed over in reading.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct PassedOver {
    /// Keys that don't belong to the chat, or hold another type than they should.
    pub keys: usize,
    /// One of them.
    pub example: Option<String>,
}

/// Whether a key is one of the chat's, by its name: its data, or who is online, which is no data.
fn is_data(key: &str) -> bool {
    key == keys::TOTAL_USERS
        || ["username:", "user:", "room:", "sess:"].iter().any(|prefix| key.starts_with(prefix))
}

/// What a key holds, by its name and type.
#[derive(Clone, Copy)]
enum Held<'a> {
    LastUserId,
    Name(&'a str),
    User(&'a str),
    UserRooms(&'a str),
    RoomName(&'a str),
    Messages(&'a str),
    Session(&'a str),
    /// What no record stands for: a key that is gone by now, and what the servers keep for
    /// themselves.
    Nothing,
}

/// `None` if the key is of no use.
fn held<'a>(key: &'a str, kind: &str) -> Option<Held<'a>> {
    if kind == "none" || key == keys::ONLINE_USERS || key.starts_with("rs:") {
        return Some(Held::Nothing);
    }
    if key == keys::TOTAL_USERS {
        return (kind == "string").then_some(Held::LastUserId);
    }
    let (prefix, rest) = key.split_once(':')?;
    match (prefix, kind) {
        ("username", "string") => Some(Held::Name(rest)),
        ("sess", "string") => Some(Held::Session(rest)),
        ("user", "hash") => Some(Held::User(rest)),
        ("user", "set") => rest.strip_suffix(":rooms").map(Held::UserRooms),
        ("room", "string") => rest.strip_suffix(":name").map(Held::RoomName),
        ("room", "zset") => Some(Held::Messages(rest)),
        _ => None,
    }
}

impl Held<'_> {
    /// Adds the commands that read it. Messages are read apart.
    fn ask(self, key: &str, all: &mut Pipeline) {
        match self {
            Held::LastUserId | Held::Name(_) | Held::RoomName(_) => all.cmd("GET").arg(key),
            Held::User(_) => {
                all.cmd("HGET").arg(key).arg("username").cmd("HGET").arg(key).arg("password")
            }
            Held::UserRooms(_) => all.cmd("SMEMBERS").arg(key),
            Held::Session(_) => all.cmd("GET").arg(key).cmd("PTTL").arg(key),
            Held::Messages(_) | Held::Nothing => all,
        };
    }

    /// Takes the replies to those commands; `false` if they are of no use. What is gone since its
    /// type was asked for gives no record.
    fn take(self, replies: &mut Replies, lot: &mut Vec<Record>) -> Result<bool> {
        let owned = str::to_owned;
        match self {
            Held::LastUserId => match replies.text()?.map(|text| text.parse()) {
                Some(Ok(id)) => lot.push(Record::LastUserId(id)),
                Some(Err(_)) => return Ok(false),
                None => {}
            },
            Held::Name(name) => lot.extend(replies.text()?.map(|value| {
                let id = value.rsplit(':').next().unwrap_or_default().to_owned();
                Record::Name { name: owned(name), id }
            })),
            Held::RoomName(room) => {
                lot.extend(replies.text()?.map(|name| Record::RoomName { room: owned(room), name }))
            }
            Held::User(id) => {
                let (username, password) = (replies.text()?, replies.text()?);
                if username.is_none() && password.is_none() {
                    return Ok(false);
                }
                lot.push(Record::User { id: owned(id), username, password });
            }
            Held::UserRooms(user) => lot.extend(
                replies
                    .list()?
                    .into_iter()
                    .map(|room| Record::UserRoom { user: owned(user), room: text(room) }),
            ),
            Held::Session(sid) => {
                let (document, millis) = (replies.bytes()?, replies.int()?);
                // Without an end: the next request would give it one.
                let life = u64::try_from(millis).unwrap_or(keys::SESSION_SECONDS * 1000);
                let life = Duration::from_millis(life);
                lot.extend(document.map(|document| Record::Session {
                    sid: owned(sid),
                    document,
                    life,
                }));
            }
            Held::Messages(_) | Held::Nothing => {}
        }
        Ok(true)
    }
}

impl RedisData {
    /// Connects.
    ///
    /// # Errors
    /// A plain sentence.
    pub async fn open(settings: &RedisSettings) -> std::result::Result<RedisData, StartError> {
        let client = super::link::client(settings).map_err(StartError)?;
        Ok(RedisData { link: Link::start(client, settings.timeout.max(TIMEOUT)).await? })
    }

    /// Whether there is no data of the chat. Who is online is none.
    pub async fn is_empty(&self) -> Result<bool> {
        let mut cursor = Cursor::default();
        while let Some(keys) = cursor.next(&self.link).await? {
            if keys.iter().any(|key| is_data(key)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Deletes the data of the chat, and who is online; other keys stay.
    pub async fn clear(&self) -> Result<()> {
        let mut cursor = Cursor::default();
        while let Some(mut keys) = cursor.next(&self.link).await? {
            keys.retain(|key| is_data(key) || key == keys::ONLINE_USERS);
            if !keys.is_empty() {
                self.ask(pipe().cmd("UNLINK").arg(keys)).await?.done()?;
            }
        }
        Ok(())
    }

    /// Writes records over what is there.
    pub async fn write(&self, records: &[Record]) -> Result<()> {
        let mut all = pipe();
        for record in records {
            records::add(&mut all, record);
        }
        let mut replies = self.ask(&all).await?;
        records.iter().try_for_each(|_| replies.done())
    }

    /// Hands on all records, in lots. If servers change the data meanwhile, some of it may be as
    /// before and some as after.
    pub async fn read(&self, mut on: impl FnMut(Vec<Record>) -> Result<()>) -> Result<PassedOver> {
        let mut passed_over = PassedOver::default();
        let mut cursor = Cursor::default();
        // SCAN may return a key twice.
        let mut seen = HashSet::new();
        while let Some(mut keys) = cursor.next(&self.link).await? {
            keys.retain(|key| seen.insert(key.clone()));
            for keys in keys.chunks(KEYS) {
                self.read_keys(keys, &mut on, &mut passed_over).await?;
            }
        }
        passed_over.keys += cursor.unreadable;
        Ok(passed_over)
    }

    async fn read_keys(
        &self,
        keys: &[String],
        on: &mut impl FnMut(Vec<Record>) -> Result<()>,
        passed_over: &mut PassedOver,
    ) -> Result<()> {
        let mut ask = pipe();
        for key in keys {
            ask.cmd("TYPE").arg(key);
        }
        let mut types = self.ask(&ask).await?;
        let mut pass_over = |key: &String| {
            passed_over.keys += 1;
            passed_over.example.get_or_insert_with(|| key.clone());
        };
        let mut found = Vec::with_capacity(keys.len());
        let mut ask = pipe();
        for key in keys {
            match held(key, &types.text()?.unwrap_or_default()) {
                Some(held) => {
                    held.ask(key, &mut ask);
                    found.push((key, held));
                }
                None => pass_over(key),
            }
        }
        let mut replies = self.ask(&ask).await?;
        let mut lot = Vec::new();
        for (key, held) in &found {
            if !held.take(&mut replies, &mut lot)? {
                pass_over(key);
            }
        }
        on(lot)?;
        for (key, held) in found {
            if let Held::Messages(room) = held {
                self.read_messages(key, room, on).await?;
            }
        }
        Ok(())
    }

    async fn read_messages(
        &self,
        key: &str,
        room: &str,
        on: &mut impl FnMut(Vec<Record>) -> Result<()>,
    ) -> Result<()> {
        for start in (0..).step_by(MESSAGES) {
            let stop = start + MESSAGES - 1;
            let mut ask = pipe();
            ask.cmd("ZRANGE").arg(key).arg(start).arg(stop).arg("WITHSCORES");
            let found = self.ask(&ask).await?.list()?;
            let count = found.len() / 2;
            let mut found = found.into_iter();
            let mut lot = Vec::with_capacity(count);
            while let (Some(member), Some(score)) = (found.next(), found.next()) {
                let score = text(score);
                let score = score.parse().map_err(|_| {
                    StoreError::Refused(format!("Redis gave '{score}' as the score of a message"))
                })?;
                lot.push(Record::Message { room: room.to_owned(), score, member });
            }
            on(lot)?;
            if count < MESSAGES {
                break;
            }
        }
        Ok(())
    }

    async fn ask(&self, pipeline: &Pipeline) -> Result<Replies> {
        Ok(Replies::new(self.link.query(pipeline).await?))
    }
}

/// All keys, some at a time.
#[derive(Default)]
struct Cursor {
    /// `None` before the first look.
    next: Option<String>,
    /// Keys so far that are no UTF-8: none of the chat's.
    unreadable: usize,
}

impl Cursor {
    /// Some keys, or none yet; `None` at the end.
    async fn next(&mut self, link: &Link) -> Result<Option<Vec<String>>> {
        let from = self.next.as_deref().unwrap_or("0");
        if self.next.is_some() && from == "0" {
            return Ok(None);
        }
        let mut ask = pipe();
        ask.cmd("SCAN").arg(from).arg("COUNT").arg(KEYS);
        let reply = link.query(&ask).await?.pop();
        match reply {
            Some(Value::Array(parts)) if parts.len() == 2 => {
                let mut parts = parts.into_iter();
                let mut part = || Replies::new(vec![parts.next().unwrap_or(Value::Nil)]);
                self.next = part().text()?;
                let keys = part().list()?;
                let all = keys.len();
                let keys: Vec<_> =
                    keys.into_iter().filter_map(|key| String::from_utf8(key).ok()).collect();
                self.unreadable += all - keys.len();
                Ok(Some(keys))
            }
            reply => {
                Replies::new(reply.into_iter().collect()).done()?;
                Err(StoreError::Refused("Redis gave no keys to SCAN".into()))
            }
        }
    }
}
