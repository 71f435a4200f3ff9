//! Users, log-in and registration (`http-and-redis.md` sections 2, 7 and 8).

use redis::{Value, pipe};

use super::{
    RedisStore,
    connect::server_text,
    reply::{Replies, takes_no_writes, text},
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

/// The names of some users, where there are any.
type Names = Vec<Option<String>>;

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
        let names = ids.iter().map(|_| name(&mut replies)).collect::<Result<_>>()?;
        let users = online.into_iter().zip(self.known(ids, names).await?);
        Ok(users.map(|(online, name)| Some(User { username: name?, online })).collect())
    }

    pub(crate) async fn online_users(&self) -> Result<Vec<(String, User)>> {
        let (ids, names) = match self.online_at_once().await? {
            Some(found) => found,
            None => self.online_in_two_trips().await?,
        };
        let known = self.known(&ids, names).await?;
        let known = ids.into_iter().zip(known);
        let known =
            known.filter_map(|(id, name)| Some((id, User { username: name?, online: true })));
        Ok(known.collect())
    }

    /// Ids and names of who is online, in one round trip, which also costs Redis less than a command for each name.
    /// `None` if it refuses: SORT counts as dangerous, and GET needs the right to read every key, so a user may be kept
    /// from them, as by a Redis Cluster or a proxy. It also counts as a write, which may be refused for a while.
    async fn online_at_once(&self) -> Result<Option<(Vec<String>, Names)>> {
        if self.sort_is_refused.get() {
            return Ok(None);
        }
        let mut ask = pipe();
        ask.cmd("SORT").arg(keys::ONLINE_USERS).arg("BY").arg("nosort");
        ask.arg("GET").arg("#").arg("GET").arg(format!("{}->username", keys::user("*")));
        let reply = self.ask(&ask).await?.any();
        if takes_no_writes(&reply).is_some() {
            return Ok(None);
        }
        if let Value::ServerError(why) = &reply
            && ["NOPERM", "ERR"].contains(&why.code())
        {
            tracing::debug!(why = server_text(why), "who is online is read in two steps");
            self.sort_is_refused.set(true);
            return Ok(None);
        }
        let mut found = Replies::new(vec![reply]).several()?;
        let (mut ids, mut names) = (Vec::new(), Vec::new());
        while let Some(id) = found.text()? {
            // An id that is no UTF-8 has led GET to another key than the original's: to be asked for by its text.
            let name = found.text()?.filter(|_| !id.contains(char::REPLACEMENT_CHARACTER));
            ids.push(id);
            names.push(name);
        }
        Ok(Some((ids, names)))
    }

    async fn online_in_two_trips(&self) -> Result<(Vec<String>, Names)> {
        let mut ask = pipe();
        ask.cmd("SMEMBERS").arg(keys::ONLINE_USERS);
        let ids: Vec<String> = self.ask(&ask).await?.list()?.into_iter().map(text).collect();
        let mut ask = pipe();
        for id in &ids {
            ask.cmd("HGET").arg(keys::user(id)).arg("username");
        }
        let mut replies = self.ask(&ask).await?;
        let names = ids.iter().map(|_| name(&mut replies)).collect::<Result<_>>()?;
        Ok((ids, names))
    }

    /// The names of users; `None` for an id that no user has. Asks only for those of whom no name was found: whether there
    /// is such a user. A key of another type is no user, as in the original.
    async fn known(&self, ids: &[String], names: Names) -> Result<Vec<Option<Option<String>>>> {
        let (mut nameless, mut ask) = (Vec::new(), pipe());
        for (place, (id, name)) in ids.iter().zip(&names).enumerate() {
            if name.is_none() {
                nameless.push(place);
                ask.cmd("TYPE").arg(keys::user(id)).cmd("HGET").arg(keys::user(id)).arg("username");
            }
        }
        let mut known: Vec<_> = names.into_iter().map(|name| name.map(Some)).collect();
        if !nameless.is_empty() {
            let mut replies = self.ask(&ask).await?;
            for place in nameless {
                let is_user = replies.text()?.as_deref() == Some("hash");
                known[place] = is_user.then_some(name(&mut replies)?);
            }
        }
        Ok(known)
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

/// The reply to HGET of a name; `None` too if the key is of another type.
fn name(replies: &mut Replies) -> Result<Option<String>> {
    match replies.any() {
        Value::ServerError(error) if error.code() == "WRONGTYPE" => Ok(None),
        reply => Replies::new(vec![reply]).text(),
    }
}
