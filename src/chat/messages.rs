//! The way of a message from its socket to the store, the other instances and its room
//! (`realtime.md` section 8.5, 10.1).

use std::rc::Rc;

use tokio::task::spawn_local;

use super::{
    Chat, Parked,
    answer::{self, Sender},
    message::{self, Message},
    policy::Audience,
};
use crate::{
    contract::events,
    engine::Key,
    js::Str,
    socketio,
    store::{
        RoomKind, StoreError,
        commit::{Commit, Outcome, StoredMessage},
    },
};

impl Chat {
    /// Takes a checked message. Behind an event that waits for the store it waits too.
    pub(super) fn submit(self: &Rc<Self>, sender: Sender, message: Message) {
        if self.is_full() {
            return self.close_flooding(&sender, events::MESSAGE);
        }
        self.park_or_run(sender.key, Parked::Message(sender, Box::new(message)));
    }

    /// Takes a `room.join`. Only one that must be looked up waits.
    pub(super) fn ask_to_join(self: &Rc<Self>, sender: Sender, room: Str) {
        if self.knows_member(&sender, &room) || room.as_bytes().len() > self.room_bytes {
            self.join_or_refuse(&sender, &room);
        } else if self.is_full() {
            self.close_flooding(&sender, events::ROOM_JOIN);
        } else {
            self.park_or_run(sender.key, Parked::Join(sender, room));
        }
    }

    fn join_or_refuse(&self, sender: &Sender, room: &Str) {
        if self.join(sender.key, room) {
            self.acknowledge(sender);
        } else {
            self.refuse(sender, events::ROOM_JOIN, "The socket is in too many rooms");
        }
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
        let event = match event {
            Parked::Leave(user) => return self.announce_leave(key, &user),
            Parked::Join(sender, room) if self.knows_member(&sender, &room) => {
                return self.join_or_refuse(&sender, &room);
            }
            Parked::Message(sender, message) if self.knows_room(&sender, &message) => {
                return self.store_message(sender, *message, None);
            }
            event => event,
        };
        if let Some(client) = self.clients.borrow_mut().by_key.get_mut(&key) {
            client.busy = true;
            self.parked_bytes.set(self.parked_bytes.get() + event.size());
            spawn_local(self.clone().run_later(key, event));
        }
    }

    /// Whether a message can be committed without a look at its room.
    fn knows_room(&self, sender: &Sender, message: &Message) -> bool {
        self.clients.borrow().known.contains(&*message.room.to_lossy())
            && self.knows_member(sender, &message.room)
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

    /// Does an event once it is known whether its sender may use the room, and what the room is.
    async fn run_later(self: Rc<Self>, key: Key, event: Parked) {
        self.hold(key, 1);
        let size = event.size();
        match event {
            Parked::Leave(user) => self.announce_leave(key, &user),
            Parked::Join(sender, room) => {
                match self.until_told(|| self.enter_room(&sender, &room)).await {
                    Ok(()) => self.join_or_refuse(&sender, &room),
                    Err(why) => self.refuse(&sender, events::ROOM_JOIN, why),
                }
            }
            Parked::Message(sender, message) => {
                let look = async || {
                    self.enter_room(&sender, &message.room).await?;
                    self.announce_room(&message).await
                };
                match self.until_told(look).await {
                    Ok(show) => {
                        // What announced it to this server may have been missed.
                        self.room_appeared(&message.room_id());
                        self.store_message(sender, *message, show);
                    }
                    Err(why) => self.refuse(&sender, events::MESSAGE, why),
                }
            }
        }
        self.parked_bytes.set(self.parked_bytes.get() - size);
        self.release(key, 1);
        self.resume(key);
    }

    /// Asks the store until it answers.
    async fn until_told<T>(
        &self,
        ask: impl AsyncFn() -> Result<T, Refused>,
    ) -> Result<T, answer::Refusal> {
        loop {
            match ask().await {
                Ok(told) => return Ok(told),
                Err(Refused::ByStore(StoreError::Unavailable(_))) => self.store.until_up().await,
                Err(Refused::ByStore(StoreError::Refused(why))) => {
                    tracing::warn!(why, "an event is ignored: its room can't be read");
                    return Err("The room can't be read");
                }
                Err(Refused::Because(why)) => return Err(why),
            }
        }
    }

    /// Finds out whether the sender is a member of a room, and lets the socket of one hear it, which
    /// also remembers the answer.
    async fn enter_room(&self, sender: &Sender, room: &Str) -> Result<(), Refused> {
        if self.knows_member(sender, room) {
            return Ok(());
        }
        if !self.store.is_listed(&sender.user.id, &room.to_lossy()).await? {
            return Err(Refused::Because("You are not a member of the room"));
        }
        self.join(sender.key, room);
        Ok(())
    }

    /// The `show.room` data that must go ahead of a message, if its room is new and private.
    async fn announce_room(&self, message: &Message) -> Result<Option<Vec<u8>>, Refused> {
        let id = message.room_id();
        let state = self.store.room_state(&id).await?;
        if state.kind == RoomKind::Other {
            return Err(Refused::Because("The room's key holds something else"));
        }
        if state.named || state.kind == RoomKind::SortedSet {
            return Ok(None);
        }
        if !message.room_is_text {
            return Err(Refused::Because("The id of the new room is no string"));
        }
        let [a, b] = message::room_users(&id);
        let names = self.store.user_names([&a, &b]).await?;
        // Meanwhile somebody else may have been first.
        let known = self.clients.borrow().known.contains(&id);
        Ok((!known).then(|| message::show_room(&id, &names)))
    }

    /// Commits a message: stored and announced, then delivered to its room.
    fn store_message(self: &Rc<Self>, sender: Sender, message: Message, show: Option<Vec<u8>>) {
        let key = sender.key;
        let id = message.room_id();
        let Message { room, mut from, score, date, member, frames, .. } = message;
        if self.store.is_shared() {
            // Before it is stored: whatever finds it there must know that it is under way.
            self.hearing.borrow_mut().note(&member, date);
            if show.is_some() {
                self.note_shown(&id);
            }
        }
        let mut publish = Vec::with_capacity(2);
        if let Some(show) = &show {
            publish.extend(self.announcement(events::SHOW_ROOM, show));
        }
        publish.extend(self.announcement(events::MESSAGE, &member));
        let looked_for = if self.counts_over_servers() { from.pop() } else { None };
        let commit = Commit {
            online: from,
            looked_for,
            message: Some(StoredMessage { room: id.clone(), score, member }),
            publish,
            ..Commit::default()
        };
        // From now on the room counts as known: what follows is committed behind this.
        let was_known = self.remember_room(&id);
        let audience = Audience::Room(room);
        self.commit(key, commit, move |chat, outcome| match outcome {
            Outcome::Refused => {
                chat.clients.borrow_mut().known.remove(&id);
                chat.answer_refused(key, sender.ack, "The message could not be stored");
            }
            Outcome::Done { room_was_new, online_changed } => {
                if chat.counts_over_servers() {
                    match online_changed {
                        Some(true) => chat.is_missing(&sender.user.id),
                        Some(false) => {}
                        None => chat.look_who_is_online(),
                    }
                }
                if let Some(show) = show {
                    chat.show_room(key, &id, &show);
                } else if room_was_new && was_known {
                    // The room we knew is gone from Redis: its people must hear of it again.
                    spawn_local(chat.clone().show_late(key, id));
                }
                chat.emit(&audience, None, &frames);
                chat.acknowledge(&sender);
            }
        });
    }

    /// Tells the people of a new room of it, but for the socket that made it.
    fn show_room(&self, key: Key, room: &str, show: &[u8]) {
        self.room_appeared(room);
        let frame = socketio::event(events::SHOW_ROOM, show);
        self.emit(&self.policy.audience_of_new_room(room), Some(key), &[frame]);
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
                chat.show_room(key, &room, &show);
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
            Parked::Message(_, message) => message.size(),
            Parked::Join(_, room) => room.as_bytes().len(),
            Parked::Leave(_) => 0,
        }
    }
}
