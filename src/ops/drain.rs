//! The stop: nothing that was accepted is lost, and nobody hangs (`realtime.md` section 12.4).

use std::rc::Rc;

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
    task::JoinHandle,
    time::{Duration, sleep, timeout},
};

use super::exit::{Failure, SECOND_SIGNAL};
use crate::app::App;

/// How long requests that are under way may take to be answered.
const LAST_ANSWERS: Duration = Duration::from_secs(1);
/// What is left to let close frames leave.
const FAREWELL: Duration = Duration::from_millis(200);

/// SIGTERM and SIGINT.
pub struct Signals(Vec<Signal>);

impl Signals {
    /// From now on they are kept for [`next`](Self::next), instead of ending the process.
    pub fn listen() -> Signals {
        let kinds = [SignalKind::terminate(), SignalKind::interrupt()];
        Signals(kinds.into_iter().filter_map(|kind| signal(kind).ok()).collect())
    }

    /// Returns at the next one.
    pub async fn next(&mut self) {
        std::future::poll_fn(|cx| {
            let told = self.0.iter_mut().any(|signal| signal.poll_recv(cx).is_ready());
            if told { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
    }
}

/// Stops accepting, ends all sessions, and waits for the store to take what their users sent and
/// that they left. A second signal ends the program at once.
///
/// # Errors
/// If held events had to be given up.
pub async fn run(
    app: &Rc<App>,
    stop: &watch::Sender<bool>,
    accepting: JoinHandle<()>,
    mut signals: Signals,
) -> Result<(), Failure> {
    tracing::info!(sockets = app.chat.online(), held = app.chat.waiting(), "stopping");
    tokio::task::spawn_local(async move {
        signals.next().await;
        std::process::exit(SECOND_SIGNAL);
    });
    stop.send_replace(true);
    let _ = accepting.await;
    app.engine.end_all();
    let settled = timeout(app.config.drain_timeout, app.chat.until_settled()).await;
    if settled.is_ok() {
        let _ = timeout(LAST_ANSWERS, app.chat.end_lease()).await;
    }
    // Each connection that serves HTTP holds a receiver until its last answer is out.
    let _ = timeout(LAST_ANSWERS, stop.closed()).await;
    sleep(FAREWELL).await;
    match settled {
        Ok(()) => Ok(()),
        Err(_) => Err(Failure::GivenUp(app.chat.waiting())),
    }
}
