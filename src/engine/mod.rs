//! Our own Engine.IO server (`realtime.md` sections 1 to 5).
//!
//! [`session`] is the state machine; this file is the table of sessions that the loop owns, with
//! what drives them: the flush at the end of a turn, the timer wheel, and the reading task of each
//! WebSocket. [`polling`] and [`upgrade`] answer the HTTP requests.

mod batch;
pub mod client_files;
mod drive;
pub mod frame;
pub mod line;
pub mod packet;
pub mod payload;
pub mod polling;
pub mod query;
pub mod queue;
pub mod reader;
pub mod session;
pub mod socket;
mod table;
pub mod unfinished;
pub mod upgrade;
pub mod wheel;

use std::{
    cell::{OnceCell, RefCell},
    path::Path,
    rc::{Rc, Weak},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{HeaderMap, Request, Response, body::Incoming};
use tokio::{sync::Notify, task::spawn_local};

use self::{
    batch::Batch,
    frame::Frame,
    line::{Line, READ_CHUNK},
    packet::Packet,
    payload::Bodies,
    polling::{Cut, Refused},
    query::Query,
    session::{Answer, End, Limits, Millis, Polled, Session, Step},
    socket::Socket,
    table::{Entry, Sid, Table, new_sid},
    unfinished::{Share, Unfinished},
};
use crate::{
    config::{ConnectionSettings, Switch},
    limits::{bucket::Rate, sockets::Seat},
};

/// Names a session in the table. A key of an ended session never names another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    index: u32,
    generation: u32,
}

impl Key {
    fn index(self) -> usize {
        self.index as usize
    }

    #[cfg(test)]
    fn for_test(index: u32) -> Key {
        Key { index, generation: 0 }
    }
}

/// A message for the layer above.
#[derive(Debug, Clone, Copy)]
pub enum Data<'a> {
    /// A text message, without the type digit.
    Text(&'a str),
    /// A binary message.
    Binary(&'a [u8]),
}

/// A message that the layer above can't understand: the session ends.
#[derive(Debug)]
pub struct Malformed;

/// The layer above the engine.
pub trait Application {
    /// A session opened, by a request with these headers.
    fn opened(self: Rc<Self>, key: Key, headers: &HeaderMap);
    /// A message came.
    ///
    /// # Errors
    /// If it can't be understood; the engine then ends the session.
    fn message(self: Rc<Self>, key: Key, data: Data<'_>) -> Result<(), Malformed>;
    /// The session ended; its key is not valid any more.
    fn closed(self: Rc<Self>, key: Key, why: End);
}

/// The table of sessions and what drives them. Owned by one loop.
pub struct Engine {
    limits: Limits,
    max_payload: usize,
    stall: Millis,
    started: Instant,
    /// The engine itself, for the tasks it starts.
    me: Weak<Engine>,
    app: OnceCell<Weak<dyn Application>>,
    table: RefCell<Table>,
    wake: Notify,
    write_buffer: RefCell<Vec<u8>>,
    batch: RefCell<Batch>,
    read_buffer: RefCell<Box<[u8]>>,
    unfinished: Rc<Unfinished>,
    bodies: Bodies,
    line: Arc<Line>,
}

impl Engine {
    /// An engine without sessions, each of which must join within `connect_timeout`. `events` is how
    /// often each may send, if that is limited. [`attach`](Self::attach) must follow.
    pub fn new(
        settings: &ConnectionSettings,
        connect_timeout: Duration,
        events: Option<Rate>,
    ) -> Rc<Engine> {
        Rc::new_cyclic(|me| Engine {
            me: me.clone(),
            limits: Limits {
                ping_interval: settings.ping_interval,
                ping_timeout: settings.ping_timeout,
                upgrade_timeout: settings.upgrade_timeout,
                connect_timeout,
                queue_bytes: settings.queue_bytes,
                queue_packets: settings.queue_packets,
                events,
            },
            max_payload: settings.max_payload,
            stall: settings.stall_timeout.as_millis() as Millis,
            started: Instant::now(),
            app: OnceCell::new(),
            table: RefCell::default(),
            wake: Notify::new(),
            write_buffer: RefCell::default(),
            batch: RefCell::new(Batch::new(settings.io_uring == Switch::On)),
            read_buffer: RefCell::new(vec![0; READ_CHUNK].into()),
            unfinished: Unfinished::new(settings.unfinished_bytes),
            bodies: Bodies::new(settings.answer_bytes),
            line: Arc::default(),
        })
    }

    /// Names the layer above and starts the tasks that flush and keep time.
    pub fn attach(self: &Rc<Self>, app: Weak<dyn Application>) {
        if self.app.set(app).is_ok() {
            spawn_local(drive::flush_turns(self.clone()));
            let line = self.line();
            spawn_local(async move { line.call_up().await });
            spawn_local(drive::keep_time(Rc::downgrade(self)));
        }
    }

    fn app(&self) -> Option<Rc<dyn Application>> {
        self.app.get().and_then(Weak::upgrade)
    }

    /// What one more connection holds that is not complete, counted together with the others.
    pub fn unfinished(&self) -> Share {
        self.unfinished.share()
    }

    /// Where connections stand in line that have much to read.
    pub fn line(&self) -> Arc<Line> {
        self.line.clone()
    }

    fn now(&self) -> Millis {
        self.started.elapsed().as_millis() as Millis
    }

    /// Queues a packet for one session. It is sent at the end of the turn.
    pub fn send(&self, key: Key, frame: &Frame) {
        self.send_all([key], std::slice::from_ref(frame));
    }

    /// Queues packets for many sessions: each packet's bytes are shared by all of them.
    pub fn send_all(&self, keys: impl IntoIterator<Item = Key>, frames: &[Frame]) {
        let mut table = self.table.borrow_mut();
        let mut wake = false;
        for key in keys {
            for frame in frames {
                wake |= table.push(key, frame, &self.limits);
            }
        }
        if wake {
            self.wake.notify_one();
        }
    }

    /// A namespace was joined on this session.
    pub fn joined(&self, key: Key) {
        if let Some(entry) = self.table.borrow_mut().get(key) {
            entry.session.joined();
        }
    }

    /// Lets a session's input wait, or go on. A POST's answer waits too.
    pub fn pause(&self, key: Key, pause: bool) {
        if let Some(entry) = self.table.borrow_mut().get(key) {
            match (pause, &entry.pause) {
                (true, None) => entry.pause = Some(Rc::new(Notify::new())),
                (false, Some(notify)) => {
                    notify.notify_waiters();
                    entry.pause = None;
                }
                _ => {}
            }
        }
    }

    fn paused(&self, key: Key) -> Option<Rc<Notify>> {
        self.table.borrow_mut().get(key).and_then(|entry| entry.pause.clone())
    }

    /// Ends a session: its connections are closed and the layer above is told.
    pub fn end(&self, key: Key, why: End) {
        let entry = {
            let mut table = self.table.borrow_mut();
            if table.get(key).is_none() {
                return;
            }
            self.flush_session(&mut table, key);
            let entry = table.sessions.remove(key.index());
            table.by_sid.remove(&entry.sid);
            entry
        };
        if let Some(notify) = entry.pause {
            notify.notify_waiters();
        }
        if why == End::SlowReader {
            tracing::warn!(waiting = entry.session.queue.len(), "a slow reader is disconnected");
        }
        if why == End::TooMany
            && let Some(seat) = &entry.seat
        {
            seat.send_away();
        }
        entry.session.end(why);
        if let Some(app) = self.app() {
            app.closed(key, why);
        }
    }

    /// Ends all sessions, and refuses new ones.
    pub fn end_all(&self) {
        let keys: Vec<Key> = {
            let mut table = self.table.borrow_mut();
            table.draining = true;
            table.by_sid.values().copied().collect()
        };
        for key in keys {
            self.end(key, End::Server);
        }
    }

    /// Number of sessions.
    pub fn len(&self) -> usize {
        self.table.borrow().sessions.len()
    }

    /// Whether there is no session.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn open(
        &self,
        make: impl FnOnce(Millis, &Limits) -> Session<Rc<Socket>>,
        headers: &HeaderMap,
        seat: Option<Seat>,
    ) -> Option<(Key, Sid)> {
        let now = self.now();
        let (key, sid) = {
            let mut table = self.table.borrow_mut();
            if table.draining {
                return None;
            }
            let sid = new_sid();
            table.generation = table.generation.wrapping_add(1);
            let generation = table.generation;
            let session = make(now, &self.limits);
            let next = session.next_tick();
            let entry = Entry {
                generation,
                sid,
                session,
                dirty: false,
                doomed: false,
                draining: false,
                reminded: u64::MAX,
                pause: None,
                seat,
            };
            let key = Key { index: table.sessions.insert(entry) as u32, generation };
            table.by_sid.insert(sid, key);
            table.remind(key, next);
            (key, sid)
        };
        if let Some(app) = self.app() {
            app.opened(key, headers);
        }
        Some((key, sid))
    }

    fn find(&self, sid: &str) -> Option<Key> {
        let sid: &Sid = sid.as_bytes().try_into().ok()?;
        self.table.borrow().by_sid.get(sid).copied()
    }

    /// The open packet (section 1.3).
    fn open_packet(&self, sid: &Sid, upgrades: &str) -> Frame {
        Frame::text(
            format!(
                r#"0{{"sid":"{}","upgrades":[{upgrades}],"pingInterval":{},"pingTimeout":{}}}"#,
                String::from_utf8_lossy(sid),
                self.limits.ping_interval.as_millis(),
                self.limits.ping_timeout.as_millis(),
            )
            .as_bytes(),
        )
    }

    fn poll(&self, key: Key, reply: tokio::sync::oneshot::Sender<Answer>) -> Polled {
        let mut table = self.table.borrow_mut();
        table.get(key).map_or(Polled::WrongTransport, |entry| entry.session.get(reply))
    }

    /// Handles one packet of a session's own transport. Fails if the session is over.
    fn receive(&self, key: Key, packet: &Packet<'_>) -> Result<(), End> {
        let step = {
            let mut table = self.table.borrow_mut();
            let Some(entry) = table.get(key) else { return Err(End::TransportClosed) };
            entry.session.receive(packet, self.now(), &self.limits)
        };
        let handled = match step {
            Step::Done => Ok(()),
            Step::End(why) => Err(why),
            Step::Deliver => {
                let data = match packet {
                    Packet::Binary(data) => Data::Binary(data),
                    Packet::Text(text) => Data::Text(text),
                    _ => return Ok(()),
                };
                self.deliver(key, data).map_err(|_| End::Client)
            }
        };
        if let Err(why) = handled {
            self.end(key, why);
        }
        handled
    }

    fn deliver(&self, key: Key, data: Data<'_>) -> Result<(), Malformed> {
        self.app().map_or(Ok(()), |app| app.message(key, data))
    }
}

/// Answers a request under `/socket.io/`. `client_dir` holds the browser client's files, if they
/// are to be served. `allow` says by its headers and its query whether a request may be answered; one that opens a session
/// gets a seat, which counts as long as it lives.
///
/// # Errors
/// When the connection is to be cut without an answer.
pub async fn handle(
    engine: Rc<Engine>,
    client_dir: Option<&Path>,
    request: Request<Incoming>,
    allow: impl FnOnce(&HeaderMap, &Query) -> Result<Option<Seat>, Refused>,
) -> Result<Response<Full<Bytes>>, Cut> {
    if let Some(dir) = client_dir {
        let uri = request.uri();
        let file = client_files::serve(dir, uri.path(), uri.query(), request.headers());
        if let Some(file) = file {
            return Ok(file);
        }
    }
    let seat = match allow(request.headers(), &Query::parse(request.uri().query())) {
        Ok(seat) => seat,
        Err(refused) => return Ok(refused.reply()),
    };
    if upgrade::is_upgrade(request.headers()) {
        Ok(engine.upgrade(request, seat))
    } else {
        engine.polling(request, seat).await
    }
}
