//! The supervised command connection.
//!
//! One connection carries the commands of all callers, pipelined. A connection that was lost or
//! missed a deadline is closed and never used again; a supervisor opens the next one. While there
//! is none, calls fail at once instead of piling up.

use std::{
    cell::RefCell,
    pin::pin,
    rc::{Rc, Weak},
    time::{Duration, Instant},
};

use redis::{Client, ErrorKind, Pipeline, RedisError, Value, aio::MultiplexedConnection};
use tokio::{sync::Notify, task::unconstrained};

pub use super::connect::{StartError, client, open, place};
use super::{
    connect::{Backoff, reason, timed_out, within},
    start::{first_connection, unreachable_at},
};
use crate::store::{Result, StoreError};

/// Pause between the heartbeats that find a dead connection when nobody else asks.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// Replies that say "Redis is away" rather than "this command is wrong".
const AWAY: [&str; 4] = ["BUSY", "LOADING", "MASTERDOWN", "NOAUTH"];

/// The way to Redis for commands. Cheap to clone; all clones share one connection. When the last
/// one is gone, connection and supervisor end.
#[derive(Clone)]
pub struct Link {
    shared: Rc<Shared>,
}

struct Shared {
    /// Within which Redis must answer.
    timeout: Duration,
    /// Where Redis is, for the log.
    place: String,
    state: RefCell<State>,
    /// Wakes those who wait for the link to come back.
    up: Notify,
    /// Wakes the supervisor when the link is lost, or nobody needs it any more.
    lost: Rc<Notify>,
}

enum State {
    Up(Rc<Live>),
    Down {
        why: String,
        /// The connection that was lost.
        former: Option<Identity>,
    },
}

/// How Redis knows a connection: id and address.
type Identity = (String, String);

/// One connection, in use.
struct Live {
    connection: MultiplexedConnection,
    /// Makes the calls that are still under way on this connection fail when it is given up.
    given_up: Notify,
    opened: Instant,
    /// `None` if Redis does not say.
    identity: Option<Identity>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.lost.notify_one();
    }
}

impl Link {
    /// Opens the first connection and starts the supervisor. Redis must answer within `timeout`,
    /// now and later. Must be called where `spawn_local` works.
    ///
    /// # Errors
    /// A plain sentence: Redis can't be reached, the password is wrong, missing or not wanted, or
    /// Redis is older than 6.2.
    pub async fn start(client: Client, timeout: Duration) -> std::result::Result<Link, StartError> {
        let place = place(&client);
        let connection = first_connection(&client, timeout).await?;
        let live = Live::introduce(connection, None, timeout)
            .await
            .map_err(|why| unreachable_at(&place, &reason(&why, timeout)))?;
        let lost = Rc::new(Notify::new());
        let shared = Rc::new(Shared {
            timeout,
            place,
            state: RefCell::new(State::Up(Rc::new(live))),
            up: Notify::new(),
            lost: lost.clone(),
        });
        tokio::task::spawn_local(supervise(client, Rc::downgrade(&shared), lost));
        Ok(Link { shared })
    }

    /// Sends the commands in one round trip and returns the replies in their order. An error of a
    /// single command stays in its place as `Value::ServerError`. An atomic pipeline shows the
    /// replies of MULTI, of each queued command, and of EXEC.
    ///
    /// Calls are sent in the order in which they are first polled. A caller may drop the future:
    /// what was not sent yet is then not sent.
    ///
    /// # Errors
    /// Only `Unavailable`: at once while the link is down; and when the connection is lost or there
    /// is no answer in time. Then it is unknown which commands Redis has done or will still do. But
    /// once the link is up again none of them is done any more, provided that Redis lets this user
    /// end connections (CLIENT INFO and CLIENT KILL).
    pub async fn query(&self, pipeline: &Pipeline) -> Result<Vec<Value>> {
        let live = match &*self.shared.state.borrow() {
            State::Up(live) => live.clone(),
            State::Down { why, .. } => return Err(self.unavailable(why)),
        };
        if pipeline.is_empty() {
            return Ok(Vec::new());
        }
        // Not `Pipeline::query_async`: it folds the errors of single commands into one.
        let count = pipeline.len() + if pipeline.is_transaction() { 2 } else { 0 };
        let mut connection = live.connection.clone();
        let answer =
            within(self.shared.timeout, connection.send_packed_commands(pipeline, 0, count));
        let given_up = pin!(live.given_up.notified());
        // Unconstrained: else a task that has used up its turn would be polled without being put in
        // line, and a later call of another task would overtake it.
        let call = unconstrained(async {
            tokio::select! {
                biased;
                answer = answer => Some(answer.unwrap_or_else(|| Err(timed_out()))),
                () = given_up => None,
            }
        });
        match call.await {
            Some(Ok(replies)) => match replies.iter().find_map(away) {
                Some(why) => Err(self.lose(&live, why)),
                None => Ok(replies),
            },
            // Whatever is wrong here is wrong with the connection: errors of commands are replies.
            Some(Err(why)) => Err(self.lose(&live, reason(&why, self.shared.timeout))),
            None => Err(match &*self.shared.state.borrow() {
                State::Down { why, .. } => self.unavailable(why),
                State::Up(_) => self.unavailable("the connection was given up"),
            }),
        }
    }

    /// Whether calls are accepted at the moment.
    pub fn is_up(&self) -> bool {
        matches!(*self.shared.state.borrow(), State::Up(_))
    }

    /// Returns as soon as the link is up.
    pub async fn until_up(&self) {
        loop {
            let up = self.shared.up.notified();
            if self.is_up() {
                return;
            }
            up.await;
        }
    }

    /// Gives up a connection, unless that has been done already.
    fn lose(&self, live: &Rc<Live>, why: String) -> StoreError {
        let error = self.unavailable(&why);
        let mut state = self.shared.state.borrow_mut();
        if matches!(&*state, State::Up(current) if Rc::ptr_eq(current, live)) {
            *state = State::Down { why, former: live.identity.clone() };
            live.given_up.notify_waiters();
            self.shared.lost.notify_one();
        }
        error
    }

    fn unavailable(&self, why: &str) -> StoreError {
        StoreError::Unavailable(format!("Redis at {}: {why}", self.shared.place))
    }
}

impl Live {
    /// Puts a fresh connection into use, in one round trip.
    ///
    /// `former` is the connection before it. Redis is told to end that one first: commands that
    /// it received while it hung would otherwise still be done later, between those of the new
    /// connection, although their callers were told that they failed. Id and address are both
    /// named, so that after a restart of Redis nobody else is hit.
    async fn introduce(
        mut connection: MultiplexedConnection,
        former: Option<&Identity>,
        timeout: Duration,
    ) -> std::result::Result<Live, RedisError> {
        let mut pipeline = redis::pipe();
        if let Some((id, address)) = former {
            pipeline.cmd("CLIENT").arg("KILL").arg("ID").arg(id).arg("ADDR").arg(address);
        }
        pipeline.cmd("CLIENT").arg("INFO");
        // Errors of these two (a proxy, a user without the permission) are no obstacle.
        let replies =
            within(timeout, connection.send_packed_commands(&pipeline, 0, pipeline.len()))
                .await
                .unwrap_or_else(|| Err(timed_out()))?;
        // But one that is away has not ended the former connection.
        if let Some(Value::ServerError(why)) = replies.iter().find(|reply| away(reply).is_some()) {
            return Err(why.clone().into());
        }
        let identity = match replies.last() {
            Some(Value::BulkString(text)) => identity(&String::from_utf8_lossy(text)),
            _ => None,
        };
        Ok(Live { connection, given_up: Notify::new(), opened: Instant::now(), identity })
    }
}

/// Id and address in the reply to CLIENT INFO: `id=3 addr=127.0.0.1:33112 laddr=… …`.
fn identity(info: &str) -> Option<Identity> {
    let field = |name: &str| {
        info.split_ascii_whitespace().find_map(|part| Some(part.strip_prefix(name)?.to_owned()))
    };
    Some((field("id=")?, field("addr=")?))
}

fn away(reply: &Value) -> Option<String> {
    match reply {
        Value::ServerError(error) if AWAY.contains(&error.code()) => {
            Some(reason(&error.clone().into(), Duration::ZERO))
        }
        _ => None,
    }
}

/// Notices a loss, reconnects, and logs each once.
async fn supervise(client: Client, shared: Weak<Shared>, lost: Rc<Notify>) {
    let mut ping = redis::pipe();
    ping.cmd("PING");
    let mut backoff = Backoff::new();
    loop {
        if tokio::time::timeout(HEARTBEAT, lost.notified()).await.is_err() {
            let Some(shared) = shared.upgrade() else { return };
            // The outcome is seen in the state, like that of any other call.
            let _ = Link { shared }.query(&ping).await;
        }
        let Some(now) = shared.upgrade() else { return };
        let former = match &*now.state.borrow() {
            State::Up(live) => {
                if live.opened.elapsed() > Backoff::SOUND {
                    backoff = Backoff::new();
                }
                continue;
            }
            State::Down { why, former } => {
                tracing::warn!(place = now.place, why, "lost Redis; trying to reconnect");
                former.clone()
            }
        };
        drop(now);
        let since = Instant::now();
        let Some(live) = reconnect(&client, &shared, &mut backoff, former).await else { return };
        let Some(now) = shared.upgrade() else { return };
        *now.state.borrow_mut() = State::Up(Rc::new(live));
        tracing::info!(place = now.place, away_ms = since.elapsed().as_millis(), "Redis is back");
        now.up.notify_waiters();
    }
}

/// Tries until there is a new connection; `None` if nobody needs it any more.
async fn reconnect(
    client: &Client,
    shared: &Weak<Shared>,
    backoff: &mut Backoff,
    former: Option<Identity>,
) -> Option<Live> {
    let mut told = false;
    loop {
        backoff.pause().await;
        let now = shared.upgrade()?;
        let connected = match open(client, now.timeout).await {
            Ok(connection) => Live::introduce(connection, former.as_ref(), now.timeout).await,
            Err(why) => Err(why),
        };
        let error = match connected {
            Ok(live) => return Some(live),
            Err(error) => error,
        };
        let why = reason(&error, now.timeout);
        // A refused password does not mend itself, so it is worth a line of its own.
        if error.kind() == ErrorKind::AuthenticationFailed && !told {
            told = true;
            tracing::warn!(place = now.place, why, "Redis is still away");
        } else {
            tracing::debug!(place = now.place, why, "Redis is still away");
        }
        *now.state.borrow_mut() = State::Down { why, former: former.clone() };
    }
}

#[cfg(test)]
mod tests {
    use super::identity;

    #[test]
    fn identity_is_read_from_client_info() {
        let info = "id=3 addr=127.0.0.1:33112 laddr=127.0.0.1:6379 fd=8 name= age=0 user=default\n";
        assert_eq!(identity(info), Some(("3".into(), "127.0.0.1:33112".into())));
        assert_eq!(identity("id=3"), None);
    }
}
