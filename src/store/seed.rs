//! Demo data on an empty store (`http-and-redis.md` section 11).

use std::{
    collections::HashSet,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rand::{Rng, seq::IndexedRandom};
use redis::{Client, Pipeline, RedisError, Value, aio::MultiplexedConnection, pipe};

use crate::{
    contract::keys,
    store::{
        Result, StoreError,
        redis::{
            link::{open, place},
            reason, server_text, timed_out, within,
        },
    },
};

/// The password of all demo users.
pub const PASSWORD: &str = "password123";
/// How many demo users there are.
pub const USERS: usize = 4;

/// The demo users; their ids are their places, from 1.
const NAMES: [&str; USERS] = ["Pablo", "Joe", "Mary", "Alex"];
const GENERAL: &str = "General";
const GREETINGS: [&str; 4] = ["Hello", "Hi", "Yo", "Hola"];
/// Greetings are up to so many seconds old.
const GREETING_AGE: f64 = 222.0;
/// Messages of the general room, oldest first.
const MESSAGES: [&str; 5] = [
    "Hello!",
    "Hi, How are you? What about our next meeting?",
    "Yeah everything is fine",
    "Next meeting tomorrow 10.00AM",
    "Wow that's great",
];
/// Seconds between the messages of the general room, and from the last one to now.
const MESSAGE_STEP: u64 = 200;

/// Writes the demo data if nobody ever registered here, and says whether it did.
///
/// `hashes` makes one bcrypt hash of the given password per user; it is only called if there is
/// something to seed. Redis must answer within `timeout` each time.
///
/// All is written in one step, and only if nobody else began meanwhile: of two servers that start
/// at once one seeds, and one that dies midway leaves nothing. The watch needs a connection of its
/// own.
///
/// # Errors
/// As the verbs of the store; `hashes`' own are passed on.
pub async fn seed(
    client: &Client,
    timeout: Duration,
    hashes: impl AsyncFnOnce(&'static str) -> Result<[String; USERS]>,
) -> Result<bool> {
    let lost = |why: RedisError| {
        StoreError::Unavailable(format!("Redis at {}: {}", place(client), reason(&why, timeout)))
    };
    let mut connection = open(client, timeout).await.map_err(lost)?;
    let mut ask = pipe();
    ask.cmd("WATCH").arg(keys::TOTAL_USERS).cmd("EXISTS").arg(keys::TOTAL_USERS);
    let replies = send(&mut connection, &ask, timeout).await.map_err(lost)?;
    match replies.last() {
        Some(Value::Int(0)) => {}
        Some(Value::Int(_)) => return Ok(false),
        _ => return Err(refusal(&replies)),
    }
    let hashes = hashes(PASSWORD).await?;
    let mut replies = send(&mut connection, &demo_data(&hashes), timeout).await.map_err(lost)?;
    match replies.pop() {
        // Somebody else wrote the counter since the look.
        Some(Value::Nil) => Ok(false),
        Some(Value::Array(done)) if !done.iter().any(is_error) => Ok(true),
        Some(Value::Array(done)) => Err(refusal(&done)),
        last => {
            replies.extend(last);
            Err(refusal(&replies))
        }
    }
}

async fn send(
    connection: &mut MultiplexedConnection,
    pipeline: &Pipeline,
    timeout: Duration,
) -> std::result::Result<Vec<Value>, RedisError> {
    let count = pipeline.len() + if pipeline.is_transaction() { 2 } else { 0 };
    within(timeout, connection.send_packed_commands(pipeline, 0, count))
        .await
        .unwrap_or_else(|| Err(timed_out()))
}

fn is_error(reply: &Value) -> bool {
    matches!(reply, Value::ServerError(_))
}

fn refusal(replies: &[Value]) -> StoreError {
    let first = replies.iter().find_map(|reply| match reply {
        Value::ServerError(error) => Some(server_text(error)),
        _ => None,
    });
    StoreError::Refused(first.unwrap_or_else(|| "Redis gave no answer to a part".into()))
}

/// The transaction with all of the demo data, in the original's order.
fn demo_data(hashes: &[String; USERS]) -> Pipeline {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut random = rand::rng();
    let mut all = pipe();
    all.atomic();
    all.cmd("SET").arg(keys::TOTAL_USERS).arg(USERS);
    all.cmd("SET").arg(keys::room_name(keys::GENERAL_ROOM)).arg(GENERAL);
    for ((id, name), hash) in (1..).zip(NAMES).zip(hashes) {
        all.cmd("SET").arg(keys::username(name)).arg(keys::user(id));
        all.cmd("HSET").arg(keys::user(id)).arg("username").arg(name).arg("password").arg(hash);
        all.cmd("SADD").arg(keys::user_rooms(id)).arg(keys::GENERAL_ROOM);
    }
    let mut made = HashSet::new();
    for user in 1..=USERS {
        for other in (1..=USERS).filter(|other| *other != user) {
            let room = format!("{}:{}", user.min(other), user.max(other));
            if made.insert(room.clone()) {
                all.cmd("SADD").arg(keys::user_rooms(user)).arg(&room);
                all.cmd("SADD").arg(keys::user_rooms(other)).arg(&room);
            }
            let greeting = GREETINGS.choose(&mut random).copied().unwrap_or(GREETINGS[0]);
            let date = now as f64 - random.random::<f64>() * GREETING_AGE;
            add_message(&mut all, &room, other, greeting, date);
        }
    }
    let ages = (1..=MESSAGES.len() as u64).rev();
    for (text, age) in MESSAGES.iter().zip(ages) {
        let date = now.saturating_sub(age * MESSAGE_STEP) as f64;
        let sender = random.random_range(1..=USERS);
        add_message(&mut all, keys::GENERAL_ROOM, sender, text, date);
    }
    all
}

/// Adds a message with the seeder's order of fields. None of the texts needs escaping in JSON.
fn add_message(all: &mut Pipeline, room: &str, from: usize, text: &str, date: f64) {
    let date = crate::js::number_text(date);
    let json = format!(r#"{{"from":{from},"date":{date},"message":"{text}","roomId":"{room}"}}"#);
    all.cmd("ZADD").arg(keys::room(room)).arg(date).arg(json);
}
