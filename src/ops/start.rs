//! The start, in order. On Redis: Redis, seeding, and only then the listener, so that who reaches
//! the server finds it at work. On a file the listener comes first: of two servers started by
//! mistake the second one then says that its port is taken.

use std::net::IpAddr;

use tokio::net::TcpListener;

use super::exit::Failure;
use crate::{
    bus::{self, Subscription},
    chat::policy::Policy,
    config::{Config, DEFAULT_SECRET, StoreKind},
    passwords::Passwords,
    store::{
        Result as StoreResult, Store, StoreError,
        embedded::EmbeddedStore,
        redis::{
            RedisStore,
            link::{self, Link},
            seed::seed,
        },
        seed::{PASSWORD, USERS},
    },
};

/// What stands when the start is over.
pub struct Started {
    /// The store, seeded.
    pub store: Store,
    /// The announcements of other servers; a file has no other servers.
    pub subscription: Option<Subscription>,
    /// Where browsers come in.
    pub listener: TcpListener,
    /// Its port.
    pub port: u16,
    /// The server's name in announcements.
    pub server_id: String,
}

/// Starts on the store of the settings, and completes their secret.
///
/// # Errors
/// What ends the program with a code of its own.
pub async fn start(config: &mut Config, passwords: &Passwords) -> Result<Started, Failure> {
    if config.store == StoreKind::Redis && config.session_secret.is_empty() {
        config.session_secret.push(DEFAULT_SECRET.into());
    }
    // In a list that rotates too: any secret of it is accepted.
    if config.session_secret.iter().any(|secret| secret == DEFAULT_SECRET) {
        tracing::warn!(
            "SESSION_SECRET has the original's secret, which everybody knows: anybody can forge a session. \
             Set a secret of your own on all servers"
        );
    }
    match config.store {
        StoreKind::Redis => on_redis(config, passwords).await,
        StoreKind::Embedded => on_file(config, passwords).await,
    }
}

async fn on_redis(config: &Config, passwords: &Passwords) -> Result<Started, Failure> {
    let client = link::client(&config.redis).map_err(Failure::Setting)?;
    let timeout = config.redis.timeout;
    let connect = async || {
        Link::start(client.clone(), timeout).await.map_err(|why| {
            Failure::Store(format!(
                "{why}. Is REDIS_ENDPOINT_URL right, and REDIS_PASSWORD? STORE=embedded needs no Redis"
            ))
        })
    };
    let (commands, ordered) = (connect().await?, connect().await?);
    let seeded = seed(&client, timeout, async || demo_hashes(passwords).await).await;
    report_seeding(seeded).map_err(Failure::Store)?;
    let (listener, port) = listen(config).await?;
    let server_id = server_id(config, port);
    let process = format!("{server_id}:{:016x}", rand::random::<u64>());
    let store = Store::Redis(RedisStore::new(commands, ordered, &process));
    let control = Policy::new(config.compat).ends_sockets();
    let subscription = bus::subscribe(client, timeout, control).await;
    let subscription = subscription.map_err(|why| Failure::Store(why.to_string()))?;
    Ok(Started { store, subscription: Some(subscription), listener, port, server_id })
}

async fn on_file(config: &mut Config, passwords: &Passwords) -> Result<Started, Failure> {
    let (listener, port) = listen(config).await?;
    let settings = &config.embedded;
    let store = EmbeddedStore::open(&settings.data_file, settings.data_sync);
    let store = store.map_err(Failure::Local)?;
    let seeded = store.seed(async || demo_hashes(passwords).await).await;
    report_seeding(seeded).map_err(Failure::Local)?;
    tracing::info!(file = %settings.data_file.display(), "the data is in a file");
    if config.session_secret.is_empty() {
        config.session_secret.push(store.session_secret().into());
    }
    let server_id = server_id(config, port);
    let store = Store::Embedded(store);
    Ok(Started { store, subscription: None, listener, port, server_id })
}

async fn demo_hashes(passwords: &Passwords) -> StoreResult<[String; USERS]> {
    let mut hashes: [String; USERS] = Default::default();
    for hash in &mut hashes {
        let made = passwords.hash(PASSWORD.into()).await;
        *hash = made.map_err(|_| StoreError::Unavailable("no password could be hashed".into()))?;
    }
    Ok(hashes)
}

fn report_seeding(seeded: StoreResult<bool>) -> Result<(), String> {
    if seeded.map_err(|why| format!("the demo's data can't be written: {why}"))? {
        tracing::info!("an empty store was filled with the demo's users and messages");
    }
    Ok(())
}

async fn listen(config: &Config) -> Result<(TcpListener, u16), Failure> {
    let mut failed = String::new();
    for address in config.addresses() {
        match TcpListener::bind(address).await {
            Ok(listener) => {
                let port = listener
                    .local_addr()
                    .map_err(|why| Failure::Local(format!("the listener has no address: {why}")))?;
                return Ok((listener, port.port()));
            }
            // A machine without IPv6 is served on IPv4.
            Err(why) => failed = port_failure(address.port(), &why),
        }
    }
    Err(Failure::Local(failed))
}

fn port_failure(port: u16, why: &std::io::Error) -> String {
    if why.kind() == std::io::ErrorKind::AddrInUse {
        return format!(
            "port {port} is taken: another program listens on it, perhaps this server already. \
             PORT chooses another one"
        );
    }
    format!("port {port} can't be listened on: {why}")
}

fn server_id(config: &Config, port: u16) -> String {
    config.server_id.clone().unwrap_or_else(|| format!("{}:{port}", own_address()))
}

/// The first address that is not of this machine alone, as the original names itself.
fn own_address() -> IpAddr {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let outward =
        interfaces.iter().map(if_addrs::Interface::ip).find(|ip| ip.is_ipv4() && !ip.is_loopback());
    outward.unwrap_or(IpAddr::from([127, 0, 0, 1]))
}
