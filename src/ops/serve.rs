//! The start, in order: Redis, seeding, the subscription, and only then the listener.

use std::{net::IpAddr, rc::Rc, time::Duration};

use tokio::{net::TcpListener, sync::watch, task::spawn_local, time::sleep};

use super::{drain, exit::Failure};
use crate::{
    app::App,
    bus::{self, BusEvent},
    config::{Config, DEFAULT_SECRET},
    http::connection,
    passwords::Passwords,
    store::{
        Store, StoreError,
        redis::{
            RedisStore,
            link::{self, Link},
            seed::seed,
        },
        seed::{PASSWORD, USERS},
    },
};

/// Runs a server until it is told to stop. Must be called inside a `LocalSet`.
///
/// # Errors
/// What ends the program with a code of its own.
pub async fn run(config: Config) -> Result<(), Failure> {
    if config.session_secret.iter().any(|secret| secret == DEFAULT_SECRET) {
        tracing::warn!(
            "SESSION_SECRET is the original's, which everybody knows: anybody can forge a session. \
             Set a secret of your own on all servers"
        );
    }
    let client = link::client(&config).map_err(Failure::Store)?;
    let timeout = config.redis_timeout;
    let start = async || {
        Link::start(client.clone(), timeout).await.map_err(|why| {
            Failure::Store(format!(
                "{why}. Is REDIS_ENDPOINT_URL right, and REDIS_PASSWORD? The data must be on a Redis: \
                 the store that needs none is not built yet"
            ))
        })
    };
    let (commands, ordered) = (start().await?, start().await?);
    let passwords = Passwords::start(config.password_queue)
        .map_err(|why| Failure::Local(format!("no thread for passwords can be started: {why}")))?;
    seed_once(&client, timeout, &passwords).await?;
    let listener = listen(&config).await?;
    let port = listener.local_addr().map(|address| address.port());
    let port = port.map_err(|why| Failure::Local(format!("the listener has no address: {why}")))?;
    let server_id = config.server_id.clone().unwrap_or_else(|| format!("{}:{port}", own_address()));
    let process = format!("{server_id}:{:016x}", rand::random::<u64>());
    let store = Store::Redis(RedisStore::new(commands, ordered, &process));
    let subscription =
        bus::subscribe(client, timeout).await.map_err(|why| Failure::Store(why.to_string()))?;
    let app = App::new(config, store, passwords, server_id.clone()).map_err(Failure::Local)?;
    let chat = app.chat.clone();
    spawn_local(bus::run(subscription, move |event| match event {
        BusEvent::Message(text) => chat.foreign(text),
        BusEvent::Up => tracing::info!("announcements of other servers are heard"),
        BusEvent::Down { .. } => tracing::warn!("announcements of other servers are not heard"),
    }));
    let (stop, stopping) = watch::channel(false);
    let accepting = spawn_local(accept(app.clone(), listener, stopping));
    println!("Listening on {port}...");
    tracing::info!(server_id, "ready");
    drain::until_told().await;
    drain::run(&app, &stop, accepting).await
}

async fn seed_once(
    client: &::redis::Client,
    timeout: Duration,
    passwords: &Passwords,
) -> Result<(), Failure> {
    let hashes = async || {
        let mut hashes: [String; USERS] = Default::default();
        for hash in &mut hashes {
            let made = passwords.hash(PASSWORD.into()).await;
            *hash =
                made.map_err(|_| StoreError::Unavailable("no password could be hashed".into()))?;
        }
        Ok(hashes)
    };
    match seed(client, timeout, hashes).await {
        Ok(true) => tracing::info!("an empty Redis was filled with the demo's users and messages"),
        Ok(false) => {}
        Err(why) => return Err(Failure::Store(format!("the demo's data can't be written: {why}"))),
    }
    Ok(())
}

async fn listen(config: &Config) -> Result<TcpListener, Failure> {
    let mut failed = String::new();
    for address in config.addresses() {
        match TcpListener::bind(address).await {
            Ok(listener) => return Ok(listener),
            // A machine without IPv6 is served on IPv4.
            Err(why) => failed = format!("port {} can't be listened on: {why}", address.port()),
        }
    }
    Err(Failure::Local(failed))
}

async fn accept(app: Rc<App>, listener: TcpListener, stopping: watch::Receiver<bool>) {
    let mut stop = stopping.clone();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        match accepted {
            Ok((stream, _)) => {
                spawn_local(connection::serve(app.clone(), stream, stopping.clone()));
            }
            Err(why) => {
                // Mostly too many open files: some will be closed soon.
                tracing::warn!(%why, "a connection can't be accepted");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// The first address that is not of this machine alone, as the original names itself.
fn own_address() -> IpAddr {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let outward =
        interfaces.iter().map(if_addrs::Interface::ip).find(|ip| ip.is_ipv4() && !ip.is_loopback());
    outward.unwrap_or(IpAddr::from([127, 0, 0, 1]))
}
