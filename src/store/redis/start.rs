//! The first connection: whether this Redis can be used at all, and if not why, in one sentence.

use std::time::Duration;

use redis::{
    Client, ErrorKind, RedisConnectionInfo, RedisError, ServerError, Value,
    aio::MultiplexedConnection,
};

use super::connect::{StartError, open, place, reason, server_text, timed_out, within};

/// Opens the first connection and looks whether it leads to a Redis that can be used.
pub(super) async fn first_connection(
    client: &Client,
    timeout: Duration,
) -> Result<MultiplexedConnection, StartError> {
    let place = place(client);
    let mut connection = match open(client, timeout).await {
        Ok(connection) => connection,
        Err(why) => return Err(explain(client, timeout, &place, &why).await),
    };
    check_version(&mut connection, timeout, &place).await?;
    Ok(connection)
}

/// The sentence for a Redis that did not answer.
pub(super) fn unreachable_at(place: &str, why: &str) -> StartError {
    StartError(format!("Redis can't be reached at {place}: {why}"))
}

fn unusable_at(place: &str, why: &str) -> StartError {
    StartError(format!("Redis at {place} can't be used: {why}"))
}

/// The sentence for a first connection that failed.
async fn explain(client: &Client, timeout: Duration, place: &str, why: &RedisError) -> StartError {
    if why.kind() == ErrorKind::AuthenticationFailed {
        // The crate doesn't pass on what Redis said; a look without the password tells.
        return match without_password(client, timeout).await {
            Ok(_) => unusable_at(place, "a password is set (REDIS_PASSWORD), but it wants none"),
            Err(why) if asks_for_password(&why) => {
                unusable_at(place, "the password (REDIS_PASSWORD) is wrong")
            }
            Err(why) => unusable_at(place, &reason(&why, timeout)),
        };
    }
    if asks_for_password(why) {
        return unusable_at(place, "it needs a password; set REDIS_PASSWORD");
    }
    match why.kind() {
        ErrorKind::Server(_) | ErrorKind::Extension => unusable_at(place, &reason(why, timeout)),
        _ => unreachable_at(place, &reason(why, timeout)),
    }
}

async fn without_password(
    client: &Client,
    timeout: Duration,
) -> Result<MultiplexedConnection, RedisError> {
    let settings = RedisConnectionInfo::default().set_skip_set_lib_name();
    let info = client.get_connection_info().clone().set_redis_settings(settings);
    open(&Client::open(info)?, timeout).await
}

fn asks_for_password(error: &RedisError) -> bool {
    ServerError::try_from(error.clone()).is_ok_and(|error| error.code() == "NOAUTH")
}

/// GETEX, SMISMEMBER and CLIENT INFO came with Redis 6.2.
async fn check_version(
    connection: &mut MultiplexedConnection,
    timeout: Duration,
    place: &str,
) -> Result<(), StartError> {
    let mut ask = redis::cmd("INFO");
    ask.arg("server");
    let reply = within(timeout, connection.send_packed_command(&ask))
        .await
        .unwrap_or_else(|| Err(timed_out()))
        .map_err(|why| unreachable_at(place, &reason(&why, timeout)))?;
    let text = match reply {
        Value::BulkString(text) => text,
        // A user who may not ask; the commands will tell.
        Value::ServerError(why) => {
            tracing::debug!(why = server_text(&why), "Redis does not tell its version");
            return Ok(());
        }
        _ => return Ok(()),
    };
    match unfit(&String::from_utf8_lossy(&text)) {
        Some(why) => Err(unusable_at(place, &why)),
        None => Ok(()),
    }
}

/// What in the reply to INFO rules this Redis out.
fn unfit(info: &str) -> Option<String> {
    let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    // The original's keys of one user or message lie in different slots.
    if field("redis_mode:") == Some("cluster") {
        return Some("it is a Redis Cluster; one Redis, with replicas or not, is needed".into());
    }
    let version = field("redis_version:")?;
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let known = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    (known < (6, 2)).then(|| format!("it is version {version}, but 6.2 or newer is needed"))
}

#[cfg(test)]
mod tests {
    use super::unfit;

    #[test]
    fn old_versions_and_clusters_are_ruled_out() {
        let info =
            |version, mode| format!("# Server\r\nredis_version:{version}\r\nredis_mode:{mode}\r\n");
        for version in ["6.2.0", "7.0.15", "8.0.1", "255.255.255", "10.0"] {
            assert_eq!(unfit(&info(version, "standalone")), None, "{version}");
        }
        for version in ["6.0.16", "5.0.7", "2.8"] {
            assert!(unfit(&info(version, "standalone")).unwrap().contains(version));
        }
        assert!(unfit(&info("7.0.15", "cluster")).unwrap().contains("Cluster"));
        assert_eq!(unfit(""), None);
    }
}
