//! Who is online, counted over the servers that share a Redis (`http-and-redis.md` section 7, `realtime.md`
//! sections 8.2 and 8.6).
//!
//! Each process holds a lease, which it renews, beside the users who have sockets on it. A user stays in
//! the online set until no lease has them, and **whoever changes the set announces it**, in the same step:
//! so each change is announced once, whatever is cut or killed. The lease of a killed process ends by the
//! clock of Redis; then any other process takes its users out.
//!
//! Servers of the original hold no lease. They put users in and take them out at will; what is known of
//! them comes with the question (`elsewhere`, `keep`).

use std::{rc::Rc, time::Duration};

use redis::{Pipeline, Value, pipe};

use super::{link::Link, reply::Replies, reply::text};
use crate::{
    contract::{
        control::Control,
        keys::{CHANNEL, CONTROL, HELD, LEASES, ONLINE_USERS, held},
    },
    store::{Result, commit::Counted},
};

/// The server's name in that of its process.
pub fn server_of(process: &str) -> &str {
    process.rsplit_once(':').map_or(process, |(server, _)| server)
}

/// Users who are taken out in one step.
const SOME: usize = 100;

/// Whether a lease of another process has a user.
macro_rules! elsewhere {
    () => {
        "
local function elsewhere(process, user)
  for _, other in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
    if other ~= process and redis.call('HEXISTS', ARGV[1] .. other, user) == 1 then return true end
  end
  return false
end
"
    };
}

/// Milliseconds by the clock of Redis.
macro_rules! now {
    () => {
        "
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
"
    };
}

/// KEYS: online set, leases. ARGV: prefix of the users' hashes, process, user, channel, envelope,
/// farewell, whether it is their first socket, channel and text that tell of a lease that begins, text that
/// tells there that the user is still here or nothing.
///
/// A process that has no lease any more gets one that has ended: so it learns of it, or is cleared away, and
/// the others know that it counts before they hear of the user.
const CAME: &str = concat!(
    elsewhere!(),
    "
if redis.call('ZADD', KEYS[2], 'NX', 0, ARGV[2]) == 1 then redis.call('PUBLISH', ARGV[8], ARGV[9]) end
redis.call('HSET', ARGV[1] .. ARGV[2], ARGV[3], ARGV[6])
local news = redis.call('SADD', KEYS[1], ARGV[3])
if news == 0 and ARGV[7] == '1' and not elsewhere(ARGV[2], ARGV[3]) then news = 1 end
if news == 1 then
  redis.call('PUBLISH', ARGV[4], ARGV[5])
elseif ARGV[10] ~= '' then
  redis.call('PUBLISH', ARGV[8], ARGV[10])
end
return news
"
);

/// KEYS: online set, leases. ARGV: prefix of the users' hashes, process, user, channel, envelope, whether
/// they stay.
const LEFT: &str = concat!(
    elsewhere!(),
    "
redis.call('HDEL', ARGV[1] .. ARGV[2], ARGV[3])
if ARGV[6] == '1' or elsewhere(ARGV[2], ARGV[3]) then return 0 end
local news = redis.call('SREM', KEYS[1], ARGV[3])
if news == 1 then redis.call('PUBLISH', ARGV[4], ARGV[5]) end
return news
"
);

/// Renews a lease. Answers whether it held until now, and with all processes and those whose lease has ended.
///
/// KEYS: leases. ARGV: process, milliseconds, channel, what is published if it did not hold.
const BEAT: &str = concat!(
    now!(),
    "
local ends = redis.call('ZSCORE', KEYS[1], ARGV[1])
local held = ends and tonumber(ends) >= now
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
if not held then redis.call('PUBLISH', ARGV[3], ARGV[4]) end
return {held and 1 or 0, redis.call('ZRANGE', KEYS[1], 0, -1),
  redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. now)}
"
);

/// Takes users out of the online set whom no lease has, and answers which. With a process only those whom
/// it had, unless its lease holds again; when it has none any more, the lease goes too.
///
/// KEYS: online set, leases. ARGV: prefix of the users' hashes, process or nothing, channel of the
/// announcements, channel and text that tell of the end of the lease, then for each user: id, envelope,
/// whether they stay.
const TAKE_OUT: &str = concat!(
    elsewhere!(),
    now!(),
    "
local process = ARGV[2]
local hash = ARGV[1] .. process
local ends = redis.call('ZSCORE', KEYS[2], process)
if process ~= '' and ends and tonumber(ends) >= now then return {} end
local out = {}
for i = 6, #ARGV, 3 do
  local user = ARGV[i]
  local due = process == '' or redis.call('HDEL', hash, user) == 1
  if due and ARGV[i + 2] ~= '1' and not elsewhere(process, user)
      and redis.call('SREM', KEYS[1], user) == 1 then
    redis.call('PUBLISH', ARGV[3], ARGV[i + 1])
    out[#out + 1] = user
  end
end
if ends and redis.call('EXISTS', hash) == 0 then
  redis.call('ZREM', KEYS[2], process)
  if ARGV[5] ~= '' then redis.call('PUBLISH', ARGV[4], ARGV[5]) end
end
return out
"
);

/// Adds the change of a user to a transaction.
pub(super) fn count(
    pipeline: &mut Pipeline,
    process: &str,
    change: &Counted,
    envelopes: &[Vec<u8>],
) {
    let envelope = envelopes.first().map_or(&[][..], Vec::as_slice);
    let mut script = |text: &str, user: &str| {
        pipeline.cmd("EVAL").arg(text).arg(2).arg(ONLINE_USERS).arg(LEASES);
        pipeline.arg(HELD).arg(process).arg(user).arg(CHANNEL).arg(envelope);
    };
    match change {
        Counted::Came { user, farewell, is_first, corrects } => {
            script(CAME, user);
            let server = server_of(process).to_owned();
            let begun = Control::LeaseBegun { server: server.clone() }.encode(&server);
            let still = Control::StillHere { user: user.clone(), server };
            let still = if *corrects { still.encode("") } else { Vec::new() };
            pipeline.arg(farewell).arg(u8::from(*is_first)).arg(CONTROL).arg(begun).arg(still);
        }
        Counted::Left { user, elsewhere } => {
            script(LEFT, user);
            pipeline.arg(u8::from(*elsewhere));
        }
    }
}

/// What a renewal of a lease brings to light.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Beat {
    /// The lease was there. If not, others may have taken out whomever this process has.
    pub held: bool,
    /// All processes with a lease.
    pub processes: Vec<String>,
    /// Those of them whose lease has ended.
    pub dead: Vec<String>,
    /// Connections that listen to announcements, if Redis tells.
    pub listeners: Option<usize>,
}

impl Beat {
    /// Whether no other process has the name of this one's server. Of a server that was killed and started
    /// again the first lease ends while it holds another.
    pub fn is_only(&self, process: &str) -> bool {
        let same = |other: &&String| server_of(other) == server_of(process);
        self.processes.iter().filter(same).count() <= 1
    }
}

/// A user to be taken out of the online set.
#[derive(Debug, Clone)]
pub struct TakeOut {
    /// The user's id.
    pub user: String,
    /// The envelope that announces it.
    pub envelope: Vec<u8>,
    /// They stay, since a server without a lease has them.
    pub keep: bool,
}

/// The leases of all processes on one Redis, and that of this one. A verb is one round trip unless said
/// otherwise, and fails like those of [`crate::store::Store`].
#[derive(Clone)]
pub struct Leases {
    link: Link,
    process: Rc<str>,
}

impl Leases {
    /// The leases that are reached over a link.
    ///
    /// `process` is this one's name, which no other process ever has.
    pub fn new(link: Link, process: &str) -> Leases {
        Leases { link, process: process.into() }
    }

    async fn ask(&self, pipeline: &Pipeline) -> Result<Replies> {
        Ok(Replies::new(self.link.query(pipeline).await?))
    }

    /// Renews this process's lease; `begun` is told to servers of ours if it did not hold.
    pub async fn beat(&self, life: Duration, begun: &[u8]) -> Result<Beat> {
        let mut ask = pipe();
        ask.cmd("EVAL").arg(BEAT).arg(1).arg(LEASES).arg(&*self.process);
        ask.arg(life.as_millis().to_string());
        ask.arg(CONTROL).arg(begun);
        ask.cmd("PUBSUB").arg("NUMSUB").arg(CHANNEL);
        let mut replies = self.ask(&ask).await?;
        let mut beat = replies.several()?;
        let held = beat.flag()?;
        let mut names = || Ok(beat.list()?.into_iter().map(text).collect());
        let (mut processes, dead): (Vec<String>, _) = (names()?, names()?);
        // They come in the order of their end.
        processes.sort();
        // An ACL may keep it from us.
        let listeners = match replies.any() {
            Value::Array(pair) => match pair.get(1) {
                Some(Value::Int(count)) => usize::try_from(*count).ok(),
                _ => None,
            },
            _ => None,
        };
        Ok(Beat { held, processes, dead, listeners })
    }

    /// All processes, those whose lease has ended, and who listens; no lease is renewed.
    pub async fn look(&self) -> Result<Beat> {
        let mut ask = pipe();
        ask.cmd("TIME");
        ask.cmd("ZRANGE").arg(LEASES).arg(0).arg(-1).arg("WITHSCORES");
        ask.cmd("PUBSUB").arg("NUMSUB").arg(CHANNEL);
        let mut replies = self.ask(&ask).await?;
        let time: Vec<f64> = numbers(replies.list()?);
        let now = time.first().unwrap_or(&0.0) * 1000.0 + time.get(1).unwrap_or(&0.0) / 1000.0;
        let mut beat = Beat::default();
        for pair in replies.list()?.chunks(2) {
            let process = text(pair[0].clone());
            if numbers(pair.get(1..).unwrap_or_default().to_vec()).first().is_none_or(|t| *t < now)
            {
                beat.dead.push(process.clone());
            }
            beat.processes.push(process);
        }
        let listeners = replies.list()?;
        beat.listeners = numbers(listeners.get(1..).unwrap_or_default().to_vec())
            .first()
            .map(|count| *count as usize);
        Ok(beat)
    }

    /// The users of a process, each with the data of their farewell.
    pub async fn users_of(&self, process: &str) -> Result<Vec<(String, Vec<u8>)>> {
        let mut ask = pipe();
        ask.cmd("HGETALL").arg(held(process));
        let mut fields = self.ask(&ask).await?.list()?.into_iter();
        let mut users = Vec::new();
        while let (Some(user), Some(farewell)) = (fields.next(), fields.next()) {
            users.push((text(user), farewell));
        }
        Ok(users)
    }

    /// Takes users out of the online set whom no lease has, announces it, and returns who is out. With a process
    /// only those whom it had, unless it lives; its lease goes with the last one, of which `ended` tells unless it is empty.
    /// A round trip for each hundred users.
    pub async fn take_out(
        &self,
        process: Option<&str>,
        users: &[TakeOut],
        ended: &[u8],
    ) -> Result<Vec<String>> {
        let mut out = Vec::new();
        let mut some = users.chunks(SOME);
        // Once also for a process without users.
        let mut next = Some(some.next().unwrap_or_default());
        while let Some(users) = next {
            let mut ask = pipe();
            ask.cmd("EVAL").arg(TAKE_OUT).arg(2).arg(ONLINE_USERS).arg(LEASES);
            ask.arg(HELD).arg(process.unwrap_or_default()).arg(CHANNEL).arg(CONTROL).arg(ended);
            for TakeOut { user, envelope, keep } in users {
                ask.arg(user).arg(envelope).arg(u8::from(*keep));
            }
            out.extend(self.ask(&ask).await?.list()?.into_iter().map(text));
            next = some.next();
        }
        Ok(out)
    }

    /// Gives this process's lease back, when it has no users any more. `ended` tells servers of ours.
    pub async fn end(&self, ended: &[u8]) -> Result<()> {
        let mut ask = pipe();
        ask.atomic();
        ask.cmd("DEL").arg(held(&self.process));
        ask.cmd("ZREM").arg(LEASES).arg(&*self.process);
        ask.cmd("PUBLISH").arg(CONTROL).arg(ended);
        self.ask(&ask).await?.done()
    }

    /// Tells servers of ours something.
    pub async fn tell(&self, text: &[u8]) -> Result<()> {
        let mut ask = pipe();
        ask.cmd("PUBLISH").arg(CONTROL).arg(text);
        self.ask(&ask).await?.done()
    }

    /// The servers with a lease, and the ids of all who are online.
    pub async fn census(&self) -> Result<(Vec<String>, Vec<String>)> {
        let mut ask = pipe();
        ask.cmd("ZRANGE").arg(LEASES).arg(0).arg(-1);
        ask.cmd("SMEMBERS").arg(ONLINE_USERS);
        let mut replies = self.ask(&ask).await?;
        let processes = replies.list()?.into_iter().map(text);
        let servers = processes.map(|process| server_of(&process).to_owned()).collect();
        Ok((servers, replies.list()?.into_iter().map(text).collect()))
    }

    /// The ids of all who are online.
    pub async fn online(&self) -> Result<Vec<String>> {
        let mut ask = pipe();
        ask.cmd("SMEMBERS").arg(ONLINE_USERS);
        Ok(self.ask(&ask).await?.list()?.into_iter().map(text).collect())
    }
}

fn numbers(texts: Vec<Vec<u8>>) -> Vec<f64> {
    texts.into_iter().filter_map(|number| text(number).parse().ok()).collect()
}
