//! Announcements from other instances: a supervised subscription to the channel that all servers on
//! one Redis share (`http-and-redis.md` section 10).
//!
//! **Nothing is dropped on the way.** The crate's subscriber reads its socket in a task of its own
//! and hands messages on through an unbounded queue; it never skips one. That queue stays small
//! here: both tasks live on one loop, so while [`run`] empties the queue nothing is added to it,
//! and what the reader adds in one turn is bounded by the runtime's budget. If this server falls
//! behind all the same, Redis ends the connection (`client-output-buffer-limit pubsub`): that is a
//! gap like any other, and announced as one.
//!
//! One trap: the crate reports a refused SUBSCRIBE as done. But a connection with a subscription
//! answers PING with a list and one without with a plain PONG, so each heartbeat also proves that
//! the subscription stands.

use std::{
    cell::Cell,
    pin::pin,
    time::{Duration, Instant},
};

use futures_util::StreamExt;
use redis::{
    Client, ErrorKind, RedisError, Value,
    aio::{PubSubSink, PubSubStream},
};
use tokio::task::unconstrained;

use crate::{
    contract::keys::{CHANNEL, CONTROL},
    store::redis::{
        Backoff,
        link::{StartError, place},
        reason, takes_no_writes, timed_out, within,
    },
};

/// Pause between the pings of the subscriber's connection.
const PING_EVERY: Duration = Duration::from_secs(2);
/// A connection on which nothing was heard for so long is lost, whatever the system says.
const LOST_AFTER: Duration = Duration::from_secs(5);

/// What the subscription tells.
#[derive(Debug)]
pub enum BusEvent<'a> {
    /// The subscription stands: everything published from now on arrives, until `Down`.
    Up,
    /// The subscription was lost; a gap began.
    Down {
        /// Everything published before this instant has arrived; of what was published later, some
        /// may be missing. (The instant at which the last ping that got an answer was sent.)
        complete_until: Instant,
    },
    /// A message, as it was published for all servers.
    Message(&'a [u8]),
    /// A message, as it was published for servers of ours.
    Control(&'a [u8]),
}

/// A confirmed subscription, to be handed to [`run`].
pub struct Subscription {
    client: Client,
    timeout: Duration,
    channels: &'static [&'static str],
    ears: Ears,
}

/// One connection that is subscribed.
struct Ears {
    sink: PubSubSink,
    stream: PubSubStream,
    /// When SUBSCRIBE was sent.
    since: Instant,
}

/// Subscribes, and returns when Redis has confirmed it: a server that listens afterwards misses
/// nothing. Redis must answer within `timeout`, now and later. With `control` also to what only servers
/// of ours are told.
///
/// # Errors
/// A plain sentence.
pub async fn subscribe(
    client: Client,
    timeout: Duration,
    control: bool,
) -> Result<Subscription, StartError> {
    let channels: &[&str] = if control { &[CHANNEL, CONTROL] } else { &[CHANNEL] };
    match listen(&client, timeout, channels).await {
        Ok(ears) => Ok(Subscription { client, timeout, channels, ears }),
        Err(why) => Err(StartError(format!(
            "Redis at {} gives no announcements: {}",
            place(&client),
            reason(&why, timeout)
        ))),
    }
}

/// Hands on what happens, for ever: first `Up`, then messages in the order of their publication;
/// after a loss `Down`, and `Up` again when a new subscription is confirmed.
///
/// Messages that have arrived together are handed on together, without a pause in which other tasks
/// could run, so that `on` can gather them and answer them at the end of its turn.
pub async fn run(subscription: Subscription, mut on: impl FnMut(BusEvent<'_>)) -> ! {
    let Subscription { client, timeout, channels, mut ears } = subscription;
    let place = place(&client);
    let mut backoff = Backoff::new();
    loop {
        on(BusEvent::Up);
        let up = Instant::now();
        let (complete_until, why) = follow(ears, &mut on).await;
        on(BusEvent::Down { complete_until });
        tracing::warn!(place, why, "lost the announcements; trying to subscribe again");
        if up.elapsed() > Backoff::SOUND {
            backoff = Backoff::new();
        }
        ears = loop {
            backoff.pause().await;
            match listen(&client, timeout, channels).await {
                Ok(ears) => break ears,
                Err(why) => {
                    tracing::debug!(place, why = reason(&why, timeout), "still no announcements");
                }
            }
        };
        let gap_ms = complete_until.elapsed().as_millis();
        tracing::info!(place, gap_ms, "announcements are back");
    }
}

/// Opens a connection and subscribes on it.
async fn listen(client: &Client, timeout: Duration, channels: &[&str]) -> Result<Ears, RedisError> {
    let work = async {
        let (mut sink, stream) = client.get_async_pubsub().await?.split();
        let since = Instant::now();
        // In one command, so that it is refused as a whole.
        sink.subscribe(channels).await?;
        match sink.ping::<Value>().await? {
            Value::Array(_) => Ok(Ears { sink, stream, since }),
            // One that can't save says nothing of the subscription. If it refused that too, the first heartbeat
            // that it answers shows it.
            refusal if takes_no_writes(&refusal).is_some() => Ok(Ears { sink, stream, since }),
            Value::ServerError(why) => Err(why.into()),
            _ => Err(not_subscribed()),
        }
    };
    within(timeout, work).await.unwrap_or_else(|| Err(timed_out()))
}

fn not_subscribed() -> RedisError {
    (ErrorKind::Client, "it refuses to subscribe this user to the channels").into()
}

/// Hands on messages until the connection is lost. Returns up to when nothing is missing, and why.
async fn follow(mut ears: Ears, on: &mut impl FnMut(BusEvent<'_>)) -> (Instant, String) {
    let complete_until = Cell::new(ears.since);
    let heard = Cell::new(Instant::now());
    let deliver = async {
        while let Some(message) = ears.stream.next().await {
            heard.set(Instant::now());
            let text = message.get_payload_bytes();
            on(if message.get_channel_name() == CONTROL {
                BusEvent::Control(text)
            } else {
                BusEvent::Message(text)
            });
        }
        "the connection was closed".to_owned()
    };
    let pulse = pulse(&mut ears.sink, &heard, &complete_until);
    let why = tokio::select! {
        // Messages first: what has arrived is handed on before a loss is announced. Unconstrained,
        // because the runtime would make the queue pause after every 128 of them.
        biased;
        why = unconstrained(deliver) => why,
        why = pulse => why,
    };
    (complete_until.get(), why)
}

/// Pings until the connection is lost, and says why.
async fn pulse(
    sink: &mut PubSubSink,
    heard: &Cell<Instant>,
    complete_until: &Cell<Instant>,
) -> String {
    loop {
        tokio::time::sleep(PING_EVERY).await;
        let sent = Instant::now();
        let mut ping = pin!(sink.ping::<Value>());
        let answer = loop {
            // What slept has its whole time for an answer all the same.
            let until = (heard.get() + LOST_AFTER).max(sent + (LOST_AFTER - PING_EVERY));
            match within(until.saturating_duration_since(Instant::now()), ping.as_mut()).await {
                Some(answer) => break answer,
                // Under a flood the answer is behind many messages, which prove life as well.
                None if heard.get().elapsed() < LOST_AFTER => {}
                None => return format!("nothing was heard for {} s", LOST_AFTER.as_secs()),
            }
        };
        match answer {
            Ok(Value::Array(_)) => {
                complete_until.set(sent);
                heard.set(Instant::now());
            }
            // One that can't save refuses PING, and is alive.
            Ok(refusal) if takes_no_writes(&refusal).is_some() => {
                complete_until.set(sent);
                heard.set(Instant::now());
            }
            Ok(Value::ServerError(why)) => return reason(&why.into(), LOST_AFTER),
            Ok(_) => return "the subscription is gone".into(),
            Err(why) => return reason(&why, LOST_AFTER),
        }
    }
}
