//! The demo's data on an empty Redis (`http-and-redis.md` section 11).

use std::time::Duration;

use redis::{Client, Pipeline, RedisError, Value, aio::MultiplexedConnection, pipe};

use super::{
    connect::{open, place, reason, server_text, timed_out, within},
    records,
};
use crate::{
    contract::keys,
    store::{
        Result, StoreError,
        seed::{USERS, demo_data},
    },
};

/// Writes the demo data if nobody ever registered here, and says whether it did.
///
/// `hashes` makes one bcrypt hash of the demo's password per user; it is only called if there is
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
    hashes: impl AsyncFnOnce() -> Result<[String; USERS]>,
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
    let mut write = pipe();
    write.atomic();
    for record in demo_data(&hashes().await?) {
        records::add(&mut write, &record);
    }
    let mut replies = send(&mut connection, &write, timeout).await.map_err(lost)?;
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
