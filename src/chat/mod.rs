//! What the product does, on top of the engine: connect and leave, join, message, presence
//! (`realtime.md` sections 7 to 9).
//!
//! The way of a message: [`Application::message`] reads the packet, `messages`
//! commits it to the store's journal; when it is stored and announced, its frames go
//! to the sockets of its room. Announcements of other instances come through [`Chat::hear`].

mod connect;
mod dispatch;
mod gap;
pub mod message;
mod messages;
pub mod policy;
pub mod user;

use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, HashSet, VecDeque},
    rc::Rc,
    time::Duration,
};

use tokio::time::sleep;

use self::{gap::Hearing, message::Message, policy::Policy, user::User};
use crate::{
    config::Config,
    contract::{cookie::Secrets, envelope},
    engine::{Application, Engine, Key, frame::Frame, session::End},
    js::{Json, Str},
    socketio,
    store::{
        Store,
        commit::{Commit, Outcome},
    },
};

/// Who a socket belongs to.
#[derive(Debug, Clone)]
enum Identity {
    /// Not looked up yet.
    Unknown,
    /// Nobody who is signed in. Hears, but has no say.
    Anonymous,
    /// Looked up once, at the first CONNECT, and never again.
    User(Rc<User>),
}

/// Where a socket stands in the namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Not in it.
    Outside,
    /// Its session is being looked up.
    Connecting,
    /// In it, at this place in the list of everybody.
    Joined(usize),
}

/// What waits behind an event of the same socket.
enum Parked {
    /// With the bytes that it holds while it waits.
    Message(Box<Message>, usize),
    Leave(Rc<User>),
}

/// A binary event whose attachments are still coming.
struct PartialEvent {
    arguments: Vec<Json>,
    missing: usize,
    attachments: Vec<std::sync::Arc<[u8]>>,
    bytes: usize,
}

/// One engine session, as the chat sees it.
struct Client {
    /// The signed session id of its cookie; none for an anonymous socket.
    session_id: Option<String>,
    identity: Identity,
    state: State,
    /// Its engine session ended. The client stays until what it sent is done.
    gone: bool,
    rooms: Vec<Str>,
    room_bytes: usize,
    /// An event of this client waits for the store, so that later ones must wait too.
    busy: bool,
    parked: VecDeque<Parked>,
    /// Events that are parked or in the journal.
    held: usize,
    partial: Option<PartialEvent>,
}

#[derive(Default)]
struct Clients {
    by_key: HashMap<Key, Client>,
    /// Everybody in the namespace.
    everyone: Vec<Key>,
    rooms: HashMap<Str, Vec<Key>>,
    /// Rooms that have a name or messages, as far as we know.
    known: HashSet<String>,
}

/// The chat of one server.
pub struct Chat {
    engine: Rc<Engine>,
    store: Store,
    policy: Policy,
    secrets: Rc<Secrets>,
    server_id: String,
    max_payload: usize,
    held_events: usize,
    held_bytes: usize,
    room_bytes: usize,
    clients: RefCell<Clients>,
    hearing: RefCell<Hearing>,
    /// Bytes of the messages that are parked.
    parked_bytes: Cell<usize>,
}

/// Who gets an event.
enum Audience<'a> {
    /// All sockets in the namespace, or all but one.
    EveryoneBut(Option<Key>),
    /// The sockets that joined a room.
    Room(&'a Str),
}

impl Chat {
    /// A chat on an engine, and the engine attached to it. `server_id` is this instance's name in
    /// announcements.
    pub fn start(
        config: &Config,
        secrets: Rc<Secrets>,
        engine: Rc<Engine>,
        store: Store,
        server_id: String,
    ) -> Rc<Chat> {
        let chat = Rc::new(Chat {
            engine: engine.clone(),
            store,
            policy: Policy::new(config.compat),
            secrets,
            server_id,
            max_payload: config.max_payload,
            held_events: config.held_events,
            held_bytes: config.held_bytes,
            room_bytes: config.room_bytes,
            clients: RefCell::default(),
            hearing: RefCell::new(Hearing::new(config.catchup_skew)),
            parked_bytes: Cell::new(0),
        });
        let app: Rc<dyn Application> = chat.clone();
        engine.attach(Rc::downgrade(&app));
        chat
    }

    /// An event of another instance, to those who may hear it.
    fn emit_foreign(&self, event: &str, data: &Json, text: &[u8]) {
        let frames = [socketio::event(event, text)];
        match self.policy.audience_of_foreign(event, data) {
            policy::Foreign::Everyone => self.emit(Audience::EveryoneBut(None), &frames),
        }
    }

    /// Number of sockets in the namespace.
    pub fn online(&self) -> usize {
        self.clients.borrow().everyone.len()
    }

    /// Number of events that wait for the store, in the journal or behind another one.
    pub fn waiting(&self) -> usize {
        let clients = self.clients.borrow();
        let parked = clients.by_key.values().map(|c| c.parked.len() + usize::from(c.busy));
        self.store.held() + parked.sum::<usize>()
    }

    /// Returns when no event waits any more.
    pub async fn until_settled(&self) {
        while self.waiting() > 0 {
            self.store.until_settled().await;
            sleep(Duration::from_millis(10)).await;
        }
    }

    fn emit(&self, audience: Audience<'_>, frames: &[Frame]) {
        let clients = self.clients.borrow();
        match audience {
            Audience::EveryoneBut(except) => {
                let keys = clients.everyone.iter().copied().filter(|key| Some(*key) != except);
                self.engine.send_all(keys, frames);
            }
            Audience::Room(room) => {
                if let Some(members) = clients.rooms.get(room) {
                    self.engine.send_all(members.iter().copied(), frames);
                }
            }
        }
    }

    /// What other servers are to be told; nothing if there can be none.
    fn announcement(&self, event: &str, data: &[u8]) -> Option<Vec<u8>> {
        self.store.is_shared().then(|| envelope::encode(&self.server_id, event, data))
    }

    /// Hands a write of a client to the journal. While too much of a client waits, its input
    /// waits; while too much waits in all, clients that send more are closed.
    fn commit(
        self: &Rc<Self>,
        key: Key,
        commit: Commit,
        then: impl FnOnce(&Rc<Chat>, Outcome) + 'static,
    ) {
        self.hold(key, 1);
        let chat = self.clone();
        self.store.commit(
            commit,
            Box::new(move |outcome| {
                then(&chat, outcome);
                chat.release(key, 1);
            }),
        );
    }

    fn hold(&self, key: Key, events: usize) {
        let mut clients = self.clients.borrow_mut();
        let Some(client) = clients.by_key.get_mut(&key) else { return };
        client.held += events;
        if client.held >= self.held_events && !client.gone {
            self.engine.pause(key, true);
        }
    }

    fn release(&self, key: Key, events: usize) {
        let mut clients = self.clients.borrow_mut();
        let Some(client) = clients.by_key.get_mut(&key) else { return };
        client.held -= events;
        if client.held <= self.held_events / 2 && !client.gone {
            self.engine.pause(key, false);
        }
    }

    /// Whether everything that waits is past its limit: then a client that sends more is closed.
    fn is_full(&self) -> bool {
        self.store.held_bytes() + self.parked_bytes.get() > self.held_bytes
    }

    fn close_flooding(&self, key: Key) {
        tracing::warn!("too much waits for the store: a client that sends more is disconnected");
        self.engine.end(key, End::Flooding);
    }
}
