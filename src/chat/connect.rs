//! Connect and leave (`realtime.md` sections 7.1, 7.4, 8.1, 8.2, 8.6).

use std::{rc::Rc, time::Duration};

use tokio::{task::spawn_local, time::timeout};

use super::{Audience, Chat, Client, Identity, Parked, State, user::User};
use crate::{
    contract::{events, session::Session},
    engine::{Key, session::End},
    socketio,
    store::{
        StoreError,
        commit::{Commit, Outcome},
    },
};

/// How long a CONNECT waits for a store that is away. Then its connection is closed, so that the
/// client tries again: after an error packet a stock client would not.
const HOLD: Duration = Duration::from_secs(10);

impl Chat {
    /// A CONNECT of the main namespace. A second one while joined has no effect.
    pub(super) fn connect(self: &Rc<Self>, key: Key) {
        let mut clients = self.clients.borrow_mut();
        let Some(client) = clients.by_key.get_mut(&key) else { return };
        if client.state != State::Outside {
            return;
        }
        match (&client.identity, &client.session_id) {
            (Identity::Unknown, Some(sid)) => {
                client.state = State::Connecting;
                spawn_local(self.clone().look_up(key, sid.clone()));
            }
            (Identity::Unknown, None) => {
                client.identity = Identity::Anonymous;
                drop(clients);
                self.enter(key);
            }
            _ => {
                drop(clients);
                self.enter(key);
            }
        }
    }

    async fn look_up(self: Rc<Self>, key: Key, sid: String) {
        let session = timeout(HOLD, async {
            loop {
                match self.store.session_peek(&sid).await {
                    Ok(stored) => break stored,
                    Err(StoreError::Unavailable(_)) => self.store.until_up().await,
                    Err(StoreError::Refused(why)) => {
                        tracing::warn!(why, "a session can't be read: its socket is anonymous");
                        break None;
                    }
                }
            }
        });
        let Ok(stored) = session.await else {
            return self.engine.end(key, End::Server);
        };
        let session = stored.as_deref().and_then(Session::parse);
        let user = User::of(session.as_ref().and_then(Session::user));
        let mut clients = self.clients.borrow_mut();
        let Some(client) = clients.by_key.get_mut(&key) else { return };
        client.identity = user.map_or(Identity::Anonymous, |user| Identity::User(Rc::new(user)));
        client.state = State::Outside;
        let gone = client.gone;
        drop(clients);
        if !gone {
            self.enter(key);
        }
    }

    /// Puts a socket into the namespace. From its answer on it hears everybody, and its events
    /// count; nothing is sent to it before.
    fn enter(self: &Rc<Self>, key: Key) {
        let user = {
            let mut guard = self.clients.borrow_mut();
            let clients = &mut *guard;
            let Some(client) = clients.by_key.get_mut(&key) else { return };
            client.state = State::Joined(clients.everyone.len());
            clients.everyone.push(key);
            client.identity_user()
        };
        self.engine.joined(key);
        self.engine.send(key, &socketio::connected(&self.socket_id()));
        if let Some(user) = user {
            let data = user.presence(true);
            let commit = Commit {
                online: vec![user.id.clone()],
                publish: self.announcement(events::USER_CONNECTED, &data).into_iter().collect(),
                ..Commit::default()
            };
            self.commit(key, commit, move |chat, outcome| {
                chat.show_presence(key, events::USER_CONNECTED, &data, outcome);
            });
        }
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
            clients.everyone.swap_remove(place);
            if let Some(moved) = clients.everyone.get(place)
                && let Some(client) = clients.by_key.get_mut(moved)
            {
                client.state = State::Joined(place);
            }
            user
        };
        if let Some(user) = user {
            self.park_or_run(key, Parked::Leave(user));
        }
    }

    pub(super) fn announce_leave(self: &Rc<Self>, key: Key, user: &User) {
        let data = user.presence(false);
        let commit = Commit {
            offline: Some(user.id.clone()),
            publish: self.announcement(events::USER_DISCONNECTED, &data).into_iter().collect(),
            ..Commit::default()
        };
        self.commit(key, commit, move |chat, outcome| {
            chat.show_presence(key, events::USER_DISCONNECTED, &data, outcome);
        });
    }

    fn show_presence(&self, key: Key, event: &str, data: &[u8], outcome: Outcome) {
        if outcome != Outcome::Refused {
            self.emit(Audience::EveryoneBut(Some(key)), &[socketio::event(event, data)]);
        }
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

impl Client {
    fn identity_user(&self) -> Option<Rc<User>> {
        match &self.identity {
            Identity::User(user) => Some(user.clone()),
            _ => None,
        }
    }
}
