//! Who is in which room of sockets (`realtime.md` section 8.4).

use super::{
    Chat, Clients, State,
    answer::Sender,
    policy::{self, Access},
};
use crate::{engine::Key, js::Str};

/// Rooms that are remembered for sockets that are still connecting.
const APPEARED: usize = 10_000;

impl Chat {
    /// Puts a socket into a room. False if it is not in the namespace, or in too many rooms.
    pub(super) fn join(&self, key: Key, room: &Str) -> bool {
        self.join_in(&mut self.clients.borrow_mut(), key, room)
    }

    pub(super) fn join_in(&self, clients: &mut Clients, key: Key, room: &Str) -> bool {
        let Some(client) = clients.by_key.get_mut(&key) else { return false };
        if !matches!(client.state, State::Joined(_)) {
            return false;
        }
        if client.rooms.contains(room) {
            return true;
        }
        // What a room costs beside its name, roughly; else empty names would be free.
        const ENTRY: usize = 64;
        let bytes = client.room_bytes + room.as_bytes().len() + ENTRY;
        if bytes > self.room_bytes {
            return false;
        }
        client.room_bytes = bytes;
        client.rooms.push(room.clone());
        clients.rooms.entry(room.clone()).or_default().push(key);
        true
    }

    /// Puts a socket that has just entered into its user's rooms: those that were listed, and those
    /// that appeared while they were looked up.
    pub(super) fn join_own(&self, clients: &mut Clients, key: Key, user: &str, listed: &[String]) {
        let appeared = std::mem::take(&mut clients.appeared);
        let own = |room: &&String| policy::members(room).is_some_and(|two| two.contains(&user));
        for room in listed.iter().chain(appeared.iter().filter(own)) {
            if !self.join_in(clients, key, &Str::from(room.as_str())) {
                tracing::warn!(user, "a user has more rooms than ROOM_BYTES lets a socket join");
                break;
            }
        }
        clients.appeared = appeared;
    }

    /// A private room appeared: the sockets of both its users hear it from now on.
    pub fn room_appeared(&self, room: &str) {
        let Some(members) = policy::members(room).filter(|_| self.policy.joins_for_them()) else {
            return;
        };
        let mut guard = self.clients.borrow_mut();
        let clients = &mut *guard;
        let name = Str::from(room);
        for user in members {
            for key in clients.by_user.get(user).cloned().unwrap_or_default() {
                self.join_in(clients, key, &name);
            }
        }
        if clients.connecting > 0 && clients.appeared.len() < APPEARED {
            clients.appeared.push(room.to_owned());
        }
    }

    /// A socket's look-up is over. After the last one nobody can miss a room.
    pub(super) fn looked_up(&self, key: Key) {
        let mut clients = self.clients.borrow_mut();
        clients.connecting -= 1;
        if clients.connecting == 0 {
            clients.appeared.clear();
        }
        if let Some(client) = clients.by_key.get_mut(&key)
            && client.state == State::Connecting
        {
            client.state = State::Outside;
        }
        drop(clients);
        self.forget_if_done(key);
    }

    /// Whether it is known, without asking the store, that the sender may use the room.
    pub(super) fn knows_member(&self, sender: &Sender, room: &Str) -> bool {
        match self.policy.room(Some(&sender.user.id), &room.to_lossy()) {
            Access::Allowed => true,
            Access::Refused => false,
            // Under this policy only members are in it.
            Access::IfListed => {
                let clients = self.clients.borrow();
                clients.by_key.get(&sender.key).is_some_and(|client| client.rooms.contains(room))
            }
        }
    }
}
