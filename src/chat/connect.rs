//! Connect and leave (`realtime.md` sections 7.1, 7.4, 8.1, 8.2, 8.6).

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::{task::spawn_local, time::timeout};

use super::{
    Chat, Client, Clients, Identity, Parked, State,
    user::{User, id_of},
};
use crate::{
    contract::{events, session::Session},
    engine::{Key, session::End},
    socketio,
    store::{
        self, Peeked, StoreError,
        commit::{Commit, Outcome},
    },
};

/// How long a CONNECT waits for a store that is away. Then its connection is closed, so that the
/// client tries again: after an error packet a stock client would not.
const HOLD: Duration = Duration::from_secs(10);

/// What is known of a socket when it connects.
struct Found {
    identity: Identity,
    /// The rooms to put it into.
    rooms: Vec<String>,
    /// Until when its session lasts at least, if that was read.
    lasts: Option<Instant>,
}

impl Found {
    fn nobody() -> Found {
        Found { identity: Identity::Anonymous, rooms: Vec::new(), lasts: None }
    }
}

impl Chat {
    /// A CONNECT of the main namespace. A second one while joined has no effect.
    pub(super) fn connect(self: &Rc<Self>, key: Key) {
        let mut clients = self.clients.borrow_mut();
        let Some(client) = clients.by_key.get_mut(&key) else { return };
        if client.state != State::Outside {
            return;
        }
        match (&client.identity, &client.session_id) {
            (Identity::Unknown, None) => client.identity = Identity::Anonymous,
            (Identity::Unknown, Some(_)) => return self.look_up(key, &mut clients),
            (Identity::User(_), _) if self.policy.joins_for_them() => {
                return self.look_up(key, &mut clients);
            }
            _ => {}
        }
        drop(clients);
        self.enter(key, &[]);
    }

    fn look_up(self: &Rc<Self>, key: Key, clients: &mut Clients) {
        let Some(client) = clients.by_key.get_mut(&key) else { return };
        client.state = State::Connecting;
        clients.connecting += 1;
        let chat = self.clone();
        spawn_local(async move {
            match timeout(HOLD, chat.find(key)).await {
                Ok(Some(found)) => chat.found(key, found),
                Ok(None) => {}
                Err(_) => chat.engine.end(key, End::Server),
            }
            chat.looked_up(key);
        });
    }

    /// Who a socket belongs to, and what its store knows of it. Waits for a store that is away.
    async fn find(&self, key: Key) -> Option<Found> {
        loop {
            let (identity, sid) = {
                let mut clients = self.clients.borrow_mut();
                let client = clients.by_key.get_mut(&key)?;
                client.look_again = false;
                (client.identity.clone(), client.session_id.clone())
            };
            let found = match (&identity, sid) {
                (Identity::User(user), _) => {
                    let rooms = self.store.listed_rooms(&user.id).await;
                    rooms.map(|rooms| Found { identity: identity.clone(), rooms, lasts: None })
                }
                (Identity::Unknown, Some(sid)) => self.find_session(&sid).await,
                _ => Ok(Found::nobody()),
            };
            let found = match found {
                Ok(found) => found,
                Err(StoreError::Unavailable(_)) => {
                    self.store.until_up().await;
                    continue;
                }
                Err(StoreError::Refused(why)) => {
                    tracing::warn!(why, "a session or its user's rooms can't be read");
                    match identity {
                        Identity::Unknown => Found::nobody(),
                        identity => Found { identity, ..Found::nobody() },
                    }
                }
            };
            if !self.clients.borrow().by_key.get(&key)?.look_again {
                return Some(found);
            }
        }
    }

    async fn find_session(&self, sid: &str) -> store::Result<Found> {
        let (document, rooms, lasts) = if self.policy.joins_for_them() {
            match self.store.session_peek_with_rooms(sid, user_of).await? {
                Some(Peeked { document, seconds, rooms }) => {
                    let lasts = Instant::now().checked_add(Duration::from_secs(seconds));
                    (Some(document), rooms, lasts)
                }
                None => return Ok(Found::nobody()),
            }
        } else {
            (self.store.session_peek(sid).await?, Vec::new(), None)
        };
        let session = document.as_deref().and_then(Session::parse);
        let user = User::of(session.as_ref().and_then(Session::user));
        let identity = user.map_or(Identity::Anonymous, |user| Identity::User(Rc::new(user)));
        Ok(Found { identity, rooms, lasts })
    }

    fn found(self: &Rc<Self>, key: Key, found: Found) {
        let Found { identity, rooms, lasts } = found;
        let mut clients = self.clients.borrow_mut();
        let Some(client) = clients.by_key.get_mut(&key) else { return };
        client.identity = identity;
        client.state = State::Outside;
        client.session_lasts = lasts.or(client.session_lasts);
        let gone = client.gone;
        drop(clients);
        // One that is gone is forgotten when its look-up is over.
        if !gone {
            self.enter(key, &rooms);
        }
    }

    /// Puts a socket into the namespace, and into these rooms. From its answer on it hears everybody,
    /// and its events count; nothing is sent to it before.
    fn enter(self: &Rc<Self>, key: Key, rooms: &[String]) {
        let (user, is_first) = {
            let mut guard = self.clients.borrow_mut();
            let clients = &mut *guard;
            let Some(client) = clients.by_key.get_mut(&key) else { return };
            let user = client.identity_user();
            let hears = self.policy.hears(user.is_some());
            client.state = State::Joined(hears.then_some(clients.everyone.len()));
            if hears {
                clients.everyone.push(key);
            }
            let mut is_first = false;
            if let Some(user) = &user {
                clients.by_user.entry(user.id.clone()).or_default().push(key);
                is_first = clients.presence.came(user);
                if self.policy.joins_for_them() {
                    self.join_own(clients, key, &user.id, rooms);
                }
            }
            (user, is_first)
        };
        self.engine.joined(key);
        self.engine.send(key, &socketio::connected(&self.socket_id()));
        let Some(user) = user else { return };
        if self.counts_over_servers() {
            // Also with a further socket: another server may have taken the user out.
            let change = self.clients.borrow().presence.coming(&user, is_first);
            return self.count(Some(key), &user, change);
        }
        let data = user.presence(true);
        let arrives = is_first || !self.policy.counts_sockets();
        let announcement = self.announcement(events::USER_CONNECTED, &data);
        let commit = Commit {
            online: vec![user.id.clone()],
            publish: announcement.filter(|_| arrives).into_iter().collect(),
            ..Commit::default()
        };
        self.commit(key, commit, move |chat, outcome| {
            if arrives && outcome != Outcome::Refused {
                chat.show_presence(Some(key), &user.id, true, &data);
            }
        });
    }

    /// Takes a socket out of the namespace; its user leaves behind all that the socket sent.
    pub(super) fn leave(self: &Rc<Self>, key: Key) {
        let user = {
            let mut guard = self.clients.borrow_mut();
            let clients = &mut *guard;
            let Some(client) = clients.by_key.get_mut(&key) else { return };
            let State::Joined(place) = client.state else { return };
            client.state = State::Outside;
            client.room_bytes = 0;
            let rooms = std::mem::take(&mut client.rooms);
            let user = client.identity_user();
            for room in rooms {
                if let Some(members) = clients.rooms.get_mut(&room) {
                    members.retain(|member| *member != key);
                    if members.is_empty() {
                        clients.rooms.remove(&room);
                    }
                }
            }
            if let Some(place) = place {
                clients.everyone.swap_remove(place);
                if let Some(moved) = clients.everyone.get(place)
                    && let Some(client) = clients.by_key.get_mut(moved)
                {
                    client.state = State::Joined(Some(place));
                }
            }
            if let Some(user) = &user
                && let Some(sockets) = clients.by_user.get_mut(&user.id)
            {
                sockets.retain(|socket| *socket != key);
                if sockets.is_empty() {
                    clients.by_user.remove(&user.id);
                }
            }
            user
        };
        if let Some(user) = user {
            self.park_or_run(key, Parked::Leave(user));
        }
    }

    /// Does the leave of a socket, behind all that it sent.
    pub(super) fn announce_leave(self: &Rc<Self>, key: Key, user: &Rc<User>) {
        let was_last = self.clients.borrow_mut().presence.left(&user.id);
        if !was_last && self.policy.counts_sockets() {
            return;
        }
        if self.counts_over_servers() {
            let change = self.clients.borrow().presence.leaving(&user.id);
            return self.count(Some(key), user, change);
        }
        let data = user.presence(false);
        let commit = Commit {
            offline: Some(user.id.clone()),
            publish: self.announcement(events::USER_DISCONNECTED, &data).into_iter().collect(),
            ..Commit::default()
        };
        let user = user.clone();
        self.commit(key, commit, move |chat, outcome| {
            if outcome != Outcome::Refused {
                chat.show_presence(Some(key), &user.id, false, &data);
            }
        });
    }

    /// Drops what is known of a client whose engine session ended, once nothing of it waits.
    pub(super) fn forget_if_done(&self, key: Key) {
        let mut clients = self.clients.borrow_mut();
        let done =
            |c: &Client| c.gone && !c.busy && c.parked.is_empty() && c.state == State::Outside;
        if clients.by_key.get(&key).is_some_and(done) {
            clients.by_key.remove(&key);
        }
    }

    /// A Socket.IO id. It differs from the engine's, which is a secret.
    fn socket_id(&self) -> String {
        use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
        URL_SAFE_NO_PAD.encode(rand::random::<[u8; 15]>())
    }
}

/// The id of the user in a session document.
fn user_of(document: &[u8]) -> Option<String> {
    Session::parse(document)?.user().and_then(id_of)
}

impl Client {
    fn identity_user(&self) -> Option<Rc<User>> {
        match &self.identity {
            Identity::User(user) => Some(user.clone()),
            _ => None,
        }
    }
}
