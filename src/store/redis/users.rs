//! Users, log-in and registration (`http-and-redis.md` sections 2, 7 and 8).

use redis::{Value, pipe};

use super::{
    RedisStore,
    reply::{Replies, text},
};
use crate::{
    contract::keys,
    store::{Login, Registration, Result, User},
};

/// Registers a user, or says that the name is taken by answering nil.
///
/// A script, because it must be one step: two registrations of one name at once end in one user,
/// and a server that dies midway leaves none or all of it. For the same reason the types of the
/// keys are looked at first: an error in the middle of a script undoes nothing. The id is written
/// with `%.0f` since Lua would write 1e+14 for a large one.
///
/// KEYS: `total_users`, `username:<name>`. ARGV: name, hash, general room, then the texts around the
/// id in the user's key and in the key of the user's rooms.
const REGISTER: &str = "
if redis.call('EXISTS', KEYS[2]) == 1 then return false end
local id = string.format('%.0f', redis.call('INCR', KEYS[1]))
local user = ARGV[4] .. id
local rooms = ARGV[4] .. id .. ARGV[5]
for key, kind in pairs({[user] = 'hash', [rooms] = 'set'}) do
  local found = redis.call('TYPE', key).ok
  if found ~= 'none' and found ~= kind then
    return redis.error_reply('WRONGTYPE ' .. key .. ' is not a ' .. kind)
  end
end
redis.call('SET', KEYS[2], user)
redis.call('HSET', user, 'username', ARGV[1], 'password', ARGV[2])
redis.call('SADD', rooms, ARGV[3])
return tonumber(id)
";

impl RedisStore {
    pub(crate) async fn find_login(&self, name: &str) -> Result<Option<Login>> {
        let mut ask = pipe();
        ask.cmd("GET").arg(keys::username(name));
        let Some(key) = self.ask(&ask).await?.bytes()? else { return Ok(None) };
        let mut ask = pipe();
        ask.cmd("HGET").arg(&key).arg("password");
        let password_hash = self.ask(&ask).await?.text()?;
        let key = text(key);
        let id = key.rsplit(':').next().unwrap_or_default().to_owned();
        Ok(Some(Login { id, password_hash }))
    }

    pub(crate) async fn create_user(
        &self,
        name: &str,
        password_hash: &str,
    ) -> Result<Registration> {
        let mut ask = pipe();
        ask.cmd("EVAL").arg(REGISTER).arg(2).arg(keys::TOTAL_USERS).arg(keys::username(name));
        ask.arg(name).arg(password_hash).arg(keys::GENERAL_ROOM);
        // The id is not known yet, so the script gets what stands around it.
        let (before, after) = (keys::user(""), keys::user_rooms(""));
        ask.arg(&before).arg(after.strip_prefix(&*before).unwrap_or_default());
        let mut replies = self.ask(&ask).await?;
        match replies.any() {
            Value::Nil => Ok(Registration::Taken),
            reply => Ok(Registration::Created(Replies::new(vec![reply]).int()?)),
        }
    }

    pub(crate) async fn users(&self, ids: &[String]) -> Result<Vec<Option<User>>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut ask = pipe();
        ask.cmd("SMISMEMBER").arg(keys::ONLINE_USERS).arg(ids);
        for id in ids {
            ask.cmd("HGET").arg(keys::user(id)).arg("username");
        }
        let mut replies = self.ask(&ask).await?;
        let online = replies.flags()?;
        let found = self.names(ids, &mut replies).await?;
        let users = online.into_iter().zip(found);
        Ok(users.map(|(online, name)| Some(User { username: name?, online })).collect())
    }

    /// The names of users, from replies to HGET; `None` for an id that no user has. Asks again only
    /// for those without a name, of whom it is not known yet whether there is such a user.
    async fn names(
        &self,
        ids: &[String],
        replies: &mut Replies,
    ) -> Result<Vec<Option<Option<String>>>> {
        let mut names = Vec::with_capacity(ids.len());
        let (mut nameless, mut ask) = (Vec::new(), pipe());
        for (place, id) in ids.iter().enumerate() {
            let reply = replies.any();
            // A key of another type is no user, as in the original.
            if matches!(&reply, Value::ServerError(error) if error.code() == "WRONGTYPE") {
                names.push(None);
                continue;
            }
            let name = Replies::new(vec![reply]).text()?;
            if name.is_none() {
                nameless.push(place);
                ask.cmd("EXISTS").arg(keys::user(id));
            }
            names.push(name.map(Some));
        }
        if !nameless.is_empty() {
            let mut replies = self.ask(&ask).await?;
            for place in nameless {
                names[place] = replies.flag()?.then_some(None);
            }
        }
        Ok(names)
    }

    pub(crate) async fn online_users(&self) -> Result<Vec<(String, User)>> {
        let mut ask = pipe();
        ask.cmd("SMEMBERS").arg(keys::ONLINE_USERS);
        let ids = self.ask(&ask).await?.list()?;
        let ids: Vec<String> = ids.into_iter().map(text).collect();
        let mut ask = pipe();
        for id in &ids {
            ask.cmd("HGET").arg(keys::user(id)).arg("username");
        }
        let mut replies = self.ask(&ask).await?;
        let found = self.names(&ids, &mut replies).await?;
        let known = ids.into_iter().zip(found);
        let known =
            known.filter_map(|(id, name)| Some((id, User { username: name?, online: true })));
        Ok(known.collect())
    }

    pub(crate) async fn user_names(&self, ids: [&str; 2]) -> Result<[Option<String>; 2]> {
        let mut ask = pipe();
        for id in ids {
            ask.cmd("HGET").arg(keys::user(id)).arg("username");
        }
        let mut replies = self.ask(&ask).await?;
        Ok([replies.text()?, replies.text()?])
    }
}
