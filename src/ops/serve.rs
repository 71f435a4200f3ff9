//! A server's life: the start, the listener, the drain.

use std::{rc::Rc, time::Duration};

use tokio::{
    net::TcpListener,
    sync::watch,
    task::{spawn_local, yield_now},
    time::sleep,
};

use super::{
    drain::{self, Signals},
    exit::Failure,
    start::{Started, start},
};
use crate::{
    app::App,
    bus,
    config::Config,
    http::{connection, links},
    passwords::Passwords,
};

/// Runs a server until it is told to stop. Must be called where `spawn_local` works.
///
/// # Errors
/// What ends the program with a code of its own.
pub async fn run(mut config: Config) -> Result<(), Failure> {
    // Before the store is touched.
    let links = links::load(config.links_file.as_deref()).map_err(Failure::Setting)?;
    let passwords = Passwords::start(config.password_queue)
        .map_err(|why| Failure::Local(format!("no thread for passwords can be started: {why}")))?;
    let mut signals = Signals::listen();
    let Started { store, subscription, listener, port, server_id } = tokio::select! {
        started = start(&mut config, &passwords) => started?,
        // Nobody has been served yet.
        () = signals.next() => return Ok(()),
    };
    let app = App::new(config, links, store, passwords, server_id.clone());
    if let Some(subscription) = subscription {
        let chat = app.chat.clone();
        spawn_local(bus::run(subscription, move |event| chat.hear(event)));
        app.chat.renew_lease().await;
        spawn_local(app.chat.clone().keep_lease());
    }
    let (stop, stopping) = watch::channel(false);
    let accepting = spawn_local(accept(app.clone(), listener, stopping));
    println!("Listening on {port}...");
    tracing::info!(server_id, "ready: http://localhost:{port}");
    signals.next().await;
    let drained = drain::run(&app, &stop, accepting, signals).await;
    app.store.close().await;
    drained
}

/// So many connections are accepted before all that is under way gets its turn: a thousand that come at
/// once don't hold up a conversation.
const TURN: u32 = 32;

async fn accept(app: Rc<App>, listener: TcpListener, stopping: watch::Receiver<bool>) {
    let mut stop = stopping.clone();
    let mut accepted_in_turn = 0;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        match accepted {
            Ok((stream, _)) => {
                spawn_local(connection::serve(app.clone(), stream, stopping.clone()));
                accepted_in_turn += 1;
                if accepted_in_turn == TURN {
                    accepted_in_turn = 0;
                    yield_now().await;
                }
            }
            Err(why) => {
                // Mostly too many open files: some will be closed soon.
                tracing::warn!(%why, "a connection can't be accepted");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}
