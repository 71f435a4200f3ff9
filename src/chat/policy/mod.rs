//! Every decision about who may see or do what, in one place.
//!
//! Under `COMPAT=exact` they are the original's: whoever is signed in may do anything
//! (`http-and-redis.md` section 15).

use super::{message::Message, user::User};
use crate::{
    config::Compat,
    js::{Json, Str},
};

/// The decisions of one degree of compatibility.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    compat: Compat,
}

/// Who gets an announcement of another instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreign {
    /// All sockets, anonymous ones included.
    Everyone,
}

impl Policy {
    /// The policy of a degree of compatibility.
    pub fn new(compat: Compat) -> Policy {
        Policy { compat }
    }

    /// Whether the user of a session may read a room's messages.
    pub fn may_read_room(self, _user: &Json, _room: &str) -> bool {
        self.compat == Compat::Exact
    }

    /// Whether the user of a session may see which rooms the user `of` is in.
    pub fn may_list_rooms(self, _user: &Json, _of: &str) -> bool {
        self.compat == Compat::Exact
    }

    /// Whether the user of a session may make the private room of two users.
    pub fn may_create_room(self, _user: &Json, _user1: &str, _user2: &str) -> bool {
        self.compat == Compat::Exact
    }

    /// Whether a user may hear a room.
    pub fn may_join(self, _user: &User, _room: &Str) -> bool {
        self.compat == Compat::Exact
    }

    /// Whether a user may send this message, with its sender and room.
    pub fn may_send(self, _user: &User, _message: &Message) -> bool {
        self.compat == Compat::Exact
    }

    /// Who gets an announcement of another instance.
    pub fn audience_of_foreign(self, _event: &str, _data: &Json) -> Foreign {
        Foreign::Everyone
    }
}
