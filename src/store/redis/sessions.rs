//! Session documents (`http-and-redis.md` section 6): opaque bytes under a key with a life.

use redis::{Pipeline, Value, pipe};

use super::{
    RedisStore,
    reply::{Replies, takes_no_writes, text},
};
use crate::{
    contract::{
        keys::{CONTROL, SESSION_SECONDS, TOTAL_USERS, session, user_rooms},
        session::LEFTOVER_MS,
    },
    store::{Peeked, Renewal, Result},
};

/// A session and the rooms of its user in one step. The user's id as this reads it is only a guess:
/// JSON is not read here as JavaScript reads it, so that the caller compares.
///
/// KEYS: the session. ARGV: the texts around a user's id in the key of their rooms.
const PEEK: &str = "
local document = redis.call('GET', KEYS[1])
if not document then return false end
local read, session = pcall(cjson.decode, document)
local id = read and type(session) == 'table' and type(session.user) == 'table' and session.user.id
if type(id) == 'number' then id = string.format('%.0f', id) end
local seconds = redis.call('TTL', KEYS[1])
if type(id) ~= 'string' then return {document, seconds} end
return {document, seconds, id, redis.pcall('SMEMBERS', ARGV[1] .. id .. ARGV[2])}
";

/// The places of those sessions that are gone, or live no longer than what a renewal leaves.
///
/// KEYS: the sessions. ARGV: the life of a leftover, in milliseconds.
const DOUBTFUL: &str = "
local doubtful = {}
for place, key in ipairs(KEYS) do
  local life = redis.call('PTTL', key)
  if life ~= -1 and life <= tonumber(ARGV[1]) then doubtful[#doubtful + 1] = place - 1 end
end
return doubtful
";

impl RedisStore {
    pub(crate) async fn session_load(&self, sid: &str) -> Result<Option<Vec<u8>>> {
        let mut ask = pipe();
        ask.cmd("GETEX").arg(session(sid)).arg("EX").arg(SESSION_SECONDS);
        let reply = self.ask(&ask).await?.any();
        let Some(why) = takes_no_writes(&reply) else {
            return Replies::new(vec![reply]).bytes();
        };
        if let Some(so_far) = self.unrenewed.note() {
            tracing::warn!(why, so_far, "Redis takes no writes: sessions are not renewed");
        }
        self.session_peek(sid).await
    }

    pub(crate) async fn session_peek(&self, sid: &str) -> Result<Option<Vec<u8>>> {
        let mut ask = pipe();
        ask.cmd("GET").arg(session(sid));
        self.ask(&ask).await?.bytes()
    }

    pub(crate) async fn session_create(&self, sid: &str, text: &str, seconds: u64) -> Result<()> {
        let mut ask = pipe();
        ask.cmd("SET").arg(session(sid)).arg(text).arg("EX").arg(seconds);
        self.ask(&ask).await?.done()
    }

    pub(crate) async fn session_replace(
        &self,
        sid: &str,
        text: &str,
        seconds: u64,
    ) -> Result<bool> {
        let mut ask = pipe();
        ask.cmd("SET").arg(session(sid)).arg(text).arg("XX").arg("EX").arg(seconds);
        Ok(self.ask(&ask).await?.bytes()?.is_some())
    }

    pub(crate) async fn session_peek_with_rooms(
        &self,
        sid: &str,
        user_of: fn(&[u8]) -> Option<String>,
    ) -> Result<Option<Peeked>> {
        let key = user_rooms('\0');
        let (before, after) = key.split_once('\0').unwrap_or_default();
        let mut ask = pipe();
        ask.cmd("EVAL").arg(PEEK).arg(1).arg(session(sid)).arg(before).arg(after);
        let Value::Array(found) = self.ask(&ask).await?.checked()? else { return Ok(None) };
        let mut found = Replies::new(found);
        let Some(document) = found.bytes()? else { return Ok(None) };
        // A session that somebody made without a life has no end.
        let seconds = u64::try_from(found.int()?).unwrap_or(u64::MAX);
        let guess = found.text()?;
        let Some(user) = user_of(&document) else {
            return Ok(Some(Peeked { document, seconds, rooms: Vec::new() }));
        };
        let rooms = if guess.as_deref() == Some(&*user) {
            found
                .list()
                .unwrap_or_else(|why| {
                    tracing::warn!(%why, "the rooms of a user can't be read");
                    Vec::new()
                })
                .into_iter()
                .map(text)
                .collect()
        } else {
            self.listed_rooms(&user).await?
        };
        Ok(Some(Peeked { document, seconds, rooms }))
    }

    /// Those of the sessions that have ended: nobody's if all data is gone, as after FLUSHALL. For each five
    /// hundred a command, and a second round trip if some may have.
    pub(crate) async fn sessions_ended(
        &self,
        sids: &[String],
        renewed_for: fn(&[u8]) -> Option<String>,
    ) -> Result<Vec<(String, Option<String>)>> {
        const SOME: usize = 500;
        if sids.is_empty() {
            return Ok(Vec::new());
        }
        let mut ask = pipe();
        ask.cmd("EXISTS").arg(TOTAL_USERS);
        for some in sids.chunks(SOME) {
            ask.cmd("EVAL").arg(DOUBTFUL).arg(some.len());
            ask.arg(some.iter().map(session).collect::<Vec<_>>()).arg(LEFTOVER_MS);
        }
        let mut replies = self.ask(&ask).await?;
        let (has_data, mut doubtful) = (replies.flag()?, Vec::new());
        for some in sids.chunks(SOME) {
            let places = replies.list()?.into_iter().map(text);
            doubtful.extend(places.filter_map(|place| some.get(place.parse::<usize>().ok()?)));
        }
        if doubtful.is_empty() || !has_data {
            return Ok(Vec::new());
        }
        let mut ask = pipe();
        doubtful.iter().for_each(|sid| {
            ask.cmd("GET").arg(session(sid));
        });
        let mut replies = self.ask(&ask).await?;
        let mut ended = Vec::new();
        for sid in doubtful {
            match replies.bytes()?.map(|left| renewed_for(&left)) {
                None => ended.push((sid.clone(), None)),
                Some(Some(user)) => ended.push((sid.clone(), Some(user))),
                Some(None) => {}
            }
        }
        Ok(ended)
    }

    pub(crate) async fn session_renew(&self, renewal: Renewal) -> Result<()> {
        let Renewal { sid, document, old_sid, old_document, tell } = renewal;
        let mut ask = pipe();
        ask.cmd("SET").arg(session(sid)).arg(document.text).arg("EX").arg(document.seconds);
        ask.cmd("SET").arg(session(old_sid)).arg(old_document.text);
        ask.arg("XX").arg("EX").arg(old_document.seconds);
        let mut replies = self.ask(told(&mut ask, tell)).await?;
        replies.done()?;
        replies.done()?;
        heard(&mut replies);
        Ok(())
    }

    pub(crate) async fn session_delete(&self, sid: &str, tell: Option<Vec<u8>>) -> Result<()> {
        let mut ask = pipe();
        ask.cmd("DEL").arg(session(sid));
        let mut replies = self.ask(told(&mut ask, tell)).await?;
        replies.done()?;
        heard(&mut replies);
        Ok(())
    }
}

fn told(ask: &mut Pipeline, tell: Option<Vec<u8>>) -> &Pipeline {
    if let Some(text) = tell {
        ask.cmd("PUBLISH").arg(CONTROL).arg(text);
    }
    ask
}

/// A channel that this user may not write to is no reason to refuse a log-in.
fn heard(replies: &mut Replies) {
    if let Err(why) = replies.done() {
        tracing::warn!(%why, channel = CONTROL, "other servers can't be told of a session");
    }
}
