//! Ways to one connection: where Redis is, how to open a connection that is fit for use, and why
//! that failed, in plain words (`http-and-redis.md` section 13).

use std::{fmt, fs, future::Future, pin::pin, time::Duration};

use rand::Rng;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo,
    ProtocolVersion, RedisConnectionInfo, RedisError, ServerError, TlsCertificates, Value,
    aio::MultiplexedConnection,
    io::tcp::{TcpSettings, socket2::TcpKeepalive},
};

use super::reply::takes_no_writes;
use crate::config::RedisSettings;

/// Calls that may wait to be written to one connection: more than ever do, since they all fail
/// within the time-out. At a bound that is reached callers would wait for a place in line, and the
/// order in which they get one depends on the scheduler.
const WAITING_CALLS: usize = 1 << 24;
/// Seconds of silence after which the system probes the other end. Our own heartbeats are faster;
/// this keeps firewalls from forgetting the connection.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// Why the server can't start on this Redis: one plain sentence, without a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartError(pub String);

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StartError {}

/// Works out from the settings where Redis is and how to sign in. Nothing is connected.
///
/// Without a scheme the setting is `host:port` as the original reads it: split at `:`, further
/// parts ignored, port 6379 if missing, database 0. With `redis://`, `rediss://` or `unix:` it is a
/// URL. A non-empty `REDIS_PASSWORD` wins over a password in the URL.
///
/// # Errors
/// A plain sentence that names the setting and never repeats its value, which may hold a password.
pub fn client(settings: &RedisSettings) -> Result<Client, String> {
    let endpoint = settings.endpoint_url.trim();
    let info = if endpoint.contains("://") || endpoint.starts_with("unix:/") {
        from_url(endpoint)?
    } else {
        from_host_and_port(endpoint)?
    };
    let tls = match info.addr() {
        ConnectionAddr::TcpTls { insecure: true, .. } => {
            return Err("REDIS_ENDPOINT_URL ends in #insecure, which this server does not offer: \
                        name the signing authority in REDIS_CA_FILE instead"
                .into());
        }
        ConnectionAddr::TcpTls { .. } => true,
        _ => false,
    };
    let mut login = info.redis_settings().clone();
    if !settings.password.is_empty() {
        login = login.set_password(&settings.password);
    } else if login.password() == Some("") {
        login = RedisConnectionInfo::default().set_db(login.db());
    }
    // RESP2, so that replies look the same on every Redis and a plain AUTH signs in.
    let login = login.set_protocol(ProtocolVersion::RESP2).set_skip_set_lib_name();
    let tcp = TcpSettings::default()
        .set_nodelay(true)
        .set_keepalive(TcpKeepalive::new().with_time(KEEPALIVE));
    let info = info.set_redis_settings(login).set_tcp_settings(tcp);

    let Some(file) = &settings.ca_file else {
        return Client::open(info).map_err(|_| unreadable());
    };
    if !tls {
        return Err("REDIS_CA_FILE is set, but REDIS_ENDPOINT_URL is not a rediss:// URL".into());
    }
    let name = file.display();
    let pem =
        fs::read(file).map_err(|why| format!("REDIS_CA_FILE '{name}' can't be read: {why}"))?;
    if !contains(&pem, b"-----BEGIN CERTIFICATE-----") {
        return Err(format!("REDIS_CA_FILE '{name}' holds no certificate in PEM form"));
    }
    let certificates = TlsCertificates { client_tls: None, root_cert: Some(pem) };
    Client::build_with_tls(info, certificates)
        .map_err(|why| format!("REDIS_CA_FILE '{name}' can't be used: {why}"))
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|here| here == part)
}

fn from_url(url: &str) -> Result<ConnectionInfo, String> {
    url.into_connection_info().map_err(|why| match why.kind() {
        ErrorKind::InvalidClientConfig => {
            // The crate's words without its kind; none of them repeats the URL.
            let text = why.to_string();
            let text = text.split(" - ").next().unwrap_or_default();
            format!("REDIS_ENDPOINT_URL is not a Redis URL that can be used: {text}")
        }
        _ => unreadable(),
    })
}

fn from_host_and_port(text: &str) -> Result<ConnectionInfo, String> {
    let mut parts = text.split(':');
    let host = parts.next().filter(|host| !host.is_empty()).unwrap_or("127.0.0.1");
    let port = match parts.next().unwrap_or_default() {
        "" => 6379,
        port => port.trim().parse().ok().filter(|port| *port > 0).ok_or(
            "the port in REDIS_ENDPOINT_URL must be a number from 1 to 65535 \
             (host:port, or a redis://, rediss:// or unix:// URL)",
        )?,
    };
    (host, port).into_connection_info().map_err(|_| unreadable())
}

fn unreadable() -> String {
    "REDIS_ENDPOINT_URL can't be read".into()
}

/// Where a client connects to, to be shown: `host:port` or the path of a socket.
pub fn place(client: &Client) -> String {
    client.get_connection_info().addr().to_string()
}

/// Opens a connection and makes sure that it is fit for use: signed in, and Redis answers a PING
/// with PONG. A Redis that is still loading or has lost its master answers with an error.
///
/// # Errors
/// The crate's; an IO error of kind `TimedOut` if that took longer than `timeout`.
pub async fn open(client: &Client, timeout: Duration) -> Result<MultiplexedConnection, RedisError> {
    // The limits are ours: the crate's own would be 1 s to connect and 0.5 s for an answer.
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(None)
        .set_response_timeout(None)
        .set_pipeline_buffer_size(WAITING_CALLS);
    let connect = async {
        let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
        match connection.send_packed_command(&redis::cmd("PING")).await? {
            // One that can't save refuses PING too.
            reply if takes_no_writes(&reply).is_some() => Ok(connection),
            Value::ServerError(why) => Err(why.into()),
            _ => Ok(connection),
        }
    };
    within(timeout, connect).await.unwrap_or_else(|| Err(timed_out()))
}

/// The error of a call that had no answer in time.
pub(crate) fn timed_out() -> RedisError {
    std::io::Error::from(std::io::ErrorKind::TimedOut).into()
}

/// The outcome of `work` if it is there within `limit`.
///
/// The limit is taken in two halves: a loop that stood still (a suspended machine, a debugger) then
/// uses up one half at most, and answers that have arrived meanwhile are still read in the other.
pub(crate) async fn within<F: Future>(limit: Duration, work: F) -> Option<F::Output> {
    let mut work = pin!(work);
    for _ in 0..2 {
        if let Ok(done) = tokio::time::timeout(limit / 2, work.as_mut()).await {
            return Some(done);
        }
    }
    None
}

/// An error of Redis as it sent it: code and text.
pub(crate) fn server_text(error: &ServerError) -> String {
    match error.details() {
        Some(details) => format!("{} {details}", error.code()),
        None => error.code().to_owned(),
    }
}

/// Why a connection could not be opened or was lost, in a few plain words.
pub(crate) fn reason(error: &RedisError, timeout: Duration) -> String {
    if error.is_timeout() {
        return format!("no answer within {} ms", timeout.as_millis());
    }
    if error.is_connection_refusal() {
        return "nothing listens there".into();
    }
    if error.kind() == ErrorKind::AuthenticationFailed {
        return "it refused the password".into();
    }
    if let Ok(error) = ServerError::try_from(error.clone()) {
        return match error.code() {
            "LOADING" => "it is still loading its data".into(),
            "NOAUTH" => "it asks for a password".into(),
            _ => server_text(&error),
        };
    }
    let text = error.to_string();
    if text.contains("invalid peer certificate") {
        return format!(
            "its certificate is not trusted ({text}); REDIS_CA_FILE names the authority to trust"
        );
    }
    match (text.split_once(" - "), error.detail()) {
        // The crate's own errors: its words, without its kind.
        (Some((words, _)), Some(detail)) => format!("{words}: {detail}"),
        (Some((words, _)), None) => words.to_owned(),
        _ => text.split(" (os error").next().unwrap_or_default().to_owned(),
    }
}

/// Growing pauses between attempts: 100 ms, doubled each time up to half a second, each shortened at random
/// by up to a half so that many servers don't come back in step.
pub(crate) struct Backoff {
    next: Duration,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(100);
    /// The longest pause. A pause is time in which users hear nothing though Redis may be back.
    const LONGEST: Duration = Duration::from_millis(500);
    /// How long a connection must last to count as sound.
    pub(crate) const SOUND: Duration = Duration::from_secs(2);

    /// Starts with the shortest pause.
    pub(crate) fn new() -> Self {
        Self { next: Self::FIRST }
    }

    /// Waits before the next attempt.
    pub(crate) async fn pause(&mut self) {
        let share = rand::rng().random_range(0.5..=1.0);
        let pause = self.next.mul_f64(share);
        self.next = (self.next * 2).min(Self::LONGEST);
        tokio::time::sleep(pause).await;
    }
}
