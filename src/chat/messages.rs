//! The way of a message from its socket to the store, the other instances and its room
//! (`realtime.md` section 8.5, 10.1).

use std::rc::Rc;

use tokio::task::spawn_local;

use super::{
    Audience, Chat, Parked,
    message::{self, Message},
};
use crate::{
    contract::events,
    engine::Key,
    socketio,
    store::{
        RoomKind, StoreError,
        commit::{Commit, Outcome, StoredMessage},
    },
};

impl Chat {
    /// Takes a checked message. Behind an event that waits for the store it waits too.
    pub(super) fn submit(self: &Rc<Self>, key: Key, message: Message, size: usize) {
        if self.is_full() {
            return self.close_flooding(key);
        }
        self.park_or_run(key, Parked::Message(Box::new(message), size));
    }

    pub(super) fn park_or_run(self: &Rc<Self>, key: Key, event: Parked) {
        let mut clients = self.clients.borrow_mut();
        let Some(client) = clients.by_key.get_mut(&key) else { return };
        if client.busy {
            self.parked_bytes.set(self.parked_bytes.get() + event.size());
            client.parked.push_back(event);
            drop(clients);
            self.hold(key, 1);
        } else {
            drop(clients);
            self.run(key, event);
        }
    }

    /// Does an event, or starts to wait for what it needs to know first.
    fn run(self: &Rc<Self>, key: Key, event: Parked) {
        let message = match event {
            Parked::Leave(user) => return self.announce_leave(key, &user),
            Parked::Message(message, _) => *message,
        };
        let mut clients = self.clients.borrow_mut();
        if clients.known.contains(&*message.room.to_lossy()) {
            drop(clients);
            return self.store_message(key, &message, None);
        }
        if let Some(client) = clients.by_key.get_mut(&key) {
            client.busy = true;
            drop(clients);
            spawn_local(self.clone().first_message(key, message));
        }
    }

    /// Does the parked events of a client, until one must wait again.
    fn resume(self: &Rc<Self>, key: Key) {
        if let Some(client) = self.clients.borrow_mut().by_key.get_mut(&key) {
            client.busy = false;
        }
        loop {
            let next = {
                let mut clients = self.clients.borrow_mut();
                let Some(client) = clients.by_key.get_mut(&key) else { return };
                if client.busy { None } else { client.parked.pop_front() }
            };
            let Some(event) = next else { break };
            self.parked_bytes.set(self.parked_bytes.get() - event.size());
            self.run(key, event);
            self.release(key, 1);
        }
        self.forget_if_done(key);
    }

    /// A message into a room of which nothing is known yet: is it new, and between whom?
    async fn first_message(self: Rc<Self>, key: Key, message: Message) {
        self.hold(key, 1);
        loop {
            match self.announce_room(&message).await {
                Ok(show) => {
                    self.store_message(key, &message, show);
                    break;
                }
                Err(Refused::ByStore(StoreError::Unavailable(_))) => self.store.until_up().await,
                Err(Refused::ByStore(StoreError::Refused(why))) => {
                    tracing::warn!(why, "a message is ignored: its room can't be read");
                    break;
                }
                Err(Refused::Because(why)) => {
                    tracing::debug!(why, "a message is ignored");
                    break;
                }
            }
        }
        self.release(key, 1);
        self.resume(key);
    }

    /// The `show.room` data that must go ahead of a message, if its room is new and private.
    async fn announce_room(&self, message: &Message) -> Result<Option<Vec<u8>>, Refused> {
        let id = message.room_id();
        let state = self.store.room_state(&id).await?;
        if state.kind == RoomKind::Other {
            return Err(Refused::Because("its room's key holds something else"));
        }
        if state.named || state.kind == RoomKind::SortedSet {
            return Ok(None);
        }
        if !message.room_is_text {
            return Err(Refused::Because("its new room's id is no string"));
        }
        let [a, b] = message::room_users(&id);
        let names = self.store.user_names([&a, &b]).await?;
        // Meanwhile somebody else may have been first.
        let known = self.clients.borrow().known.contains(&id);
        Ok((!known).then(|| message::show_room(&id, &names)))
    }

    /// Commits a message: stored and announced, then delivered to its room.
    fn store_message(self: &Rc<Self>, key: Key, message: &Message, show: Option<Vec<u8>>) {
        let id = message.room_id();
        let (mut member, mut attachments) = (Vec::new(), Vec::new());
        message.document.write_with_attachments(&mut member, &mut attachments);
        let frames = if attachments.is_empty() {
            vec![socketio::event(events::MESSAGE, &member)]
        } else {
            let frames = socketio::binary_event(events::MESSAGE, &member, &attachments);
            // Stored and announced, binary is text, as JavaScript writes a buffer.
            member.clear();
            message.document.write(&mut member);
            frames
        };
        if self.store.is_shared() {
            // Before it is stored: whatever finds it there must know that it is under way.
            self.hearing.borrow_mut().note(&member);
            if show.is_some() {
                self.note_shown(&id);
            }
        }
        let mut publish = Vec::with_capacity(2);
        if let Some(show) = &show {
            publish.extend(self.announcement(events::SHOW_ROOM, show));
        }
        publish.extend(self.announcement(events::MESSAGE, &member));
        let commit = Commit {
            online: message.from.clone(),
            message: Some(StoredMessage { room: id.clone(), score: message.score.clone(), member }),
            publish,
            ..Commit::default()
        };
        // From now on the room counts as known: what follows is committed behind this.
        let was_known = self.remember_room(&id);
        let room = message.room.clone();
        self.commit(key, commit, move |chat, outcome| match outcome {
            Outcome::Refused => {
                chat.clients.borrow_mut().known.remove(&id);
            }
            Outcome::Done { room_was_new } => {
                if let Some(show) = show {
                    let frame = socketio::event(events::SHOW_ROOM, &show);
                    chat.emit(Audience::EveryoneBut(Some(key)), &[frame]);
                } else if room_was_new && was_known {
                    // The room we knew is gone from Redis: its people must hear of it again.
                    spawn_local(chat.clone().show_late(key, id));
                }
                chat.emit(Audience::Room(&room), &frames);
            }
        });
    }

    /// Remembers that a room has messages. True if that was known.
    fn remember_room(&self, id: &str) -> bool {
        // What is forgotten is looked up again.
        const MOST: usize = 100_000;
        let known = &mut self.clients.borrow_mut().known;
        if known.len() >= MOST {
            known.clear();
        }
        !known.insert(id.to_owned())
    }

    async fn show_late(self: Rc<Self>, key: Key, room: String) {
        let [a, b] = message::room_users(&room);
        let Ok(names) = self.store.user_names([&a, &b]).await else { return };
        let show = message::show_room(&room, &names);
        let publish = self.announcement(events::SHOW_ROOM, &show).into_iter().collect();
        self.commit(key, Commit { publish, ..Commit::default() }, move |chat, outcome| {
            if outcome != Outcome::Refused {
                let frame = socketio::event(events::SHOW_ROOM, &show);
                chat.emit(Audience::EveryoneBut(Some(key)), &[frame]);
            }
        });
    }
}

/// Why a message's room can't be used.
enum Refused {
    ByStore(StoreError),
    Because(&'static str),
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Refused {
        Refused::ByStore(error)
    }
}

impl Parked {
    /// Bytes that the event holds while it waits, roughly.
    fn size(&self) -> usize {
        match self {
            Parked::Message(_, size) => *size,
            Parked::Leave(_) => 0,
        }
    }
}
