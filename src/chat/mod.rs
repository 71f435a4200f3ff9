//! What the product does, on top of the engine: connect and leave, join, message, presence
//! (`realtime.md` sections 7 to 9).
//!
//! The way of a message: [`Application::message`] reads the packet, `messages`
//! commits it to the store's journal; when it is stored and announced, its frames go
//! to the sockets of its room. Announcements of other instances come through [`Chat::hear`].

mod answer;
mod connect;
mod dispatch;
mod gap;
mod heard;
mod leases;
pub mod message;
mod messages;
pub mod online;
mod partial;
pub mod policy;
pub mod presence;
mod rooms;
mod sessions;
pub mod user;

use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, HashSet, VecDeque},
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use self::{
    answer::{Refusals, Sender},
    gap::Hearing,
    leases::Lease,
    message::Message,
    online::Told,
    partial::PartialEvent,
    policy::{Audience, Policy},
    presence::Presence,
    user::User,
};
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
    /// Nobody who is signed in. Has no say.
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
    /// In it, at this place in the list of those who hear announcements, if it does.
    Joined(Option<usize>),
}

/// What waits behind an event of the same socket.
enum Parked {
    Message(Sender, Box<Message>),
    /// Only a join that must be looked up waits.
    Join(Sender, Str),
    Leave(Rc<User>),
}

/// One engine session, as the chat sees it.
struct Client {
    /// The signed session id of its cookie, or the one that its session has now; none for an
    /// anonymous socket.
    session_id: Option<String>,
    /// Until then its session does not end of itself, so that one that is gone was ended.
    session_lasts: Option<Instant>,
    /// Its session changed while it was looked up, so that what was found does not count.
    look_again: bool,
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
    /// Who hears announcements.
    everyone: Vec<Key>,
    /// The sockets of each user in the namespace.
    by_user: HashMap<String, Vec<Key>>,
    presence: Presence,
    rooms: HashMap<Str, Vec<Key>>,
    /// Rooms that have a name or messages, as far as we know.
    known: HashSet<String>,
    /// Number of sockets whose session or rooms are being looked up, and the private rooms that
    /// appeared meanwhile: their look-up may have been too early for them.
    connecting: usize,
    appeared: Vec<String>,
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
    message_bytes: usize,
    clients: RefCell<Clients>,
    hearing: RefCell<Hearing>,
    told: RefCell<Told>,
    lease: Lease,
    /// Bytes of the events that are parked, and of those that they wait for.
    parked_bytes: Cell<usize>,
    refusals: Refusals,
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
        let policy = Policy::new(config.compat);
        let limits = policy.limits(&config.limits);
        let chat = Rc::new(Chat {
            engine: engine.clone(),
            store,
            policy,
            secrets,
            server_id,
            max_payload: config.connections.max_payload,
            held_events: config.held_events,
            held_bytes: config.held_bytes,
            room_bytes: config.room_bytes,
            message_bytes: limits.map_or(usize::MAX, |limits| limits.message_bytes),
            clients: RefCell::default(),
            hearing: RefCell::new(Hearing::new(config.catchup_skew)),
            told: RefCell::default(),
            lease: Lease::new(config.presence_lease),
            parked_bytes: Cell::new(0),
            refusals: Refusals::default(),
        });
        let app: Rc<dyn Application> = chat.clone();
        engine.attach(Rc::downgrade(&app));
        chat
    }

    /// An event of another instance, to those who may hear it.
    fn emit_foreign(&self, event: &str, data: &Json, text: &[u8]) {
        let audience = self.policy.audience_of_foreign(event, data);
        match &audience {
            Audience::Nobody(why) => return self.refusals.note("an announcement", why),
            // Also with a message: what announced its room may have been missed.
            Audience::Room(room) => self.room_appeared(&room.to_lossy()),
            Audience::Users(users) => self.room_appeared(&users.join(":")),
            Audience::Everyone => {}
        }
        self.emit(&audience, None, &[socketio::event(event, text)]);
    }

    /// Number of sockets in the namespace.
    pub fn online(&self) -> usize {
        let clients = self.clients.borrow();
        clients.by_key.values().filter(|client| matches!(client.state, State::Joined(_))).count()
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

    /// Sends frames to an audience, or to all of it but one.
    fn emit(&self, audience: &Audience, except: Option<Key>, frames: &[Frame]) {
        let clients = self.clients.borrow();
        let send = |keys: Option<&Vec<Key>>| {
            let keys = keys.into_iter().flatten().copied();
            self.engine.send_all(keys.filter(|key| Some(*key) != except), frames);
        };
        match audience {
            Audience::Everyone => send(Some(&clients.everyone)),
            Audience::Room(room) => send(clients.rooms.get(room)),
            Audience::Users(users) => users.iter().for_each(|user| send(clients.by_user.get(user))),
            Audience::Nobody(_) => {}
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

    fn close_flooding(&self, sender: &Sender, event: &str) {
        self.refuse(sender, event, "Too much waits for the store (HELD_BYTES)");
        self.engine.end(sender.key, End::Flooding);
    }
}
