//! From the packets of a socket to what the chat does with them (`realtime.md` sections 7.1 to 7.8).

use std::rc::Rc;

use hyper::HeaderMap;

use super::{
    Chat, Client, Identity, State,
    answer::{Refusal, Sender},
    message::Message,
};
use crate::{
    contract::events,
    engine::{Application, Data, Key, Malformed, session::End},
    js::{self, Json, Str},
    socketio::{
        self,
        packet::{self, Packet},
    },
};

/// The one namespace.
pub(super) const MAIN: &str = "/";

impl Application for Chat {
    fn opened(self: Rc<Self>, key: Key, headers: &HeaderMap) {
        let client = Client {
            session_id: self.secrets.sid(headers),
            session_lasts: None,
            look_again: false,
            identity: Identity::Unknown,
            state: State::Outside,
            gone: false,
            rooms: Vec::new(),
            room_bytes: 0,
            busy: false,
            parked: Default::default(),
            held: 0,
            partial: None,
        };
        self.clients.borrow_mut().by_key.insert(key, client);
    }

    fn message(self: Rc<Self>, key: Key, data: Data<'_>) -> Result<(), Malformed> {
        let text = match data {
            Data::Text(text) => text,
            Data::Binary(data) => return self.attachment(key, data),
        };
        match packet::parse(text)? {
            Packet::Connect { namespace: MAIN } => self.connect(key),
            Packet::Connect { namespace } => {
                self.engine.send(key, &socketio::invalid_namespace(namespace));
            }
            Packet::Disconnect { namespace: MAIN } => self.leave(key),
            Packet::Disconnect { .. } | Packet::Ignored => {}
            Packet::Event(event) if event.attachments > 0 => {
                self.expect_attachments(key, &event, text);
            }
            Packet::Event(event) => {
                if event.namespace == MAIN {
                    self.event(key, event.arguments, event.wants_ack, event.ack, text.len());
                }
            }
        }
        Ok(())
    }

    fn closed(self: Rc<Self>, key: Key, why: End) {
        if why == End::TooMany {
            self.refusals
                .note("a socket", "It sends more than EVENTS_PER_SOCKET and EVENTS_BURST allow");
        }
        self.leave(key);
        let mut clients = self.clients.borrow_mut();
        if let Some(client) = clients.by_key.get_mut(&key) {
            client.gone = true;
            client.partial = None;
        }
        drop(clients);
        self.forget_if_done(key);
    }
}

impl Chat {
    /// Does an event of a joined, signed-in socket; all others are ignored (section 7.3, 8.1).
    pub(super) fn event(
        self: &Rc<Self>,
        key: Key,
        arguments: Vec<Json>,
        wants_ack: bool,
        ack: Option<u64>,
        size: usize,
    ) {
        let ack = ack.filter(|_| self.policy.acknowledges());
        let user = {
            let clients = self.clients.borrow();
            match clients.by_key.get(&key) {
                Some(Client { state: State::Joined(_), identity, .. }) => match identity {
                    Identity::User(user) => user.clone(),
                    _ => {
                        drop(clients);
                        return self.refuse_stranger(key, ack);
                    }
                },
                _ => return,
            }
        };
        let sender = Sender { key, user, ack };
        let mut arguments = arguments.into_iter();
        let Some(Json::Str(name)) = arguments.next() else { return };
        let argument = arguments.next();
        match name.as_str() {
            Some(events::ROOM_JOIN) => {
                let room = match &argument {
                    Some(id) => js::to_js_string(id),
                    // With an acknowledgement alone the original names the room after a function's
                    // source, which nobody can address.
                    None if wants_ack => {
                        return self.refuse(&sender, events::ROOM_JOIN, "There is no room");
                    }
                    None => Str::from("undefined"),
                };
                self.ask_to_join(sender, room);
            }
            Some(events::MESSAGE) if size > self.message_bytes => {
                self.refuse(&sender, events::MESSAGE, "The message is too long");
            }
            Some(events::MESSAGE) => match Message::check(argument) {
                Ok(message) if self.policy.may_send_as(&sender.user, &message) => {
                    self.submit(sender, message);
                }
                Ok(_) => self.refuse(&sender, events::MESSAGE, "The sender is somebody else"),
                Err(why) => self.refuse(&sender, events::MESSAGE, why),
            },
            _ => self.refuse(&sender, "an event", "There is no such event"),
        }
    }

    /// Counts an event of a socket on which nobody is signed in, and tells it.
    pub(super) fn refuse_stranger(&self, key: Key, ack: Option<u64>) {
        const WHY: Refusal = "You are not signed in";
        self.refusals.note("an event", WHY);
        self.answer_refused(key, ack, WHY);
    }
}
