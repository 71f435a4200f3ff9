//! Every decision about who may see or do what, in one place.
//!
//! Under `COMPAT=exact` they are the original's: whoever is signed in may do anything, and everybody
//! hears everything (`http-and-redis.md` section 15). Under `COMPAT=safe` rooms are for their members.
//! What a decision needs to know beside its arguments is said in its answer, never looked up here.

pub mod origin;

use std::time::Duration;

use super::{message::Message, user::User};
use crate::{
    config::{Compat, LimitSettings, Switch},
    contract::events,
    js::{self, Json, Str},
};

/// The decisions of one degree of compatibility.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    safe: bool,
}

/// Whether a room may be heard, read and written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// It may.
    Allowed,
    /// It may if it stands in the user's list of rooms. Nothing ever leaves that list, so that a yes
    /// may be remembered.
    IfListed,
    /// It may not.
    Refused,
}

/// Who gets an event; a sender may be left out.
#[derive(Debug, PartialEq, Eq)]
pub enum Audience {
    /// All sockets that hear announcements: see [`Policy::hears`].
    Everyone,
    /// The sockets that are in a room.
    Room(Str),
    /// The sockets of these two users.
    Users([String; 2]),
    /// No socket, for the reason given.
    Nobody(&'static str),
}

/// The two users of a private room whose id is in canonical form: two whole numbers, the smaller one
/// first. Only then is it one room, the same for both.
pub fn members(room: &str) -> Option<[&str; 2]> {
    let number = |id: &str| id.parse::<u64>().ok().filter(|number| number.to_string() == id);
    let (first, second) = room.split_once(':')?;
    (number(first)? < number(second)?).then_some([first, second])
}

impl Policy {
    /// The policy of a degree of compatibility.
    pub fn new(compat: Compat) -> Policy {
        Policy { safe: compat == Compat::Safe }
    }

    /// Whether the user with this id may hear, read and write a room. `None` is a user without a
    /// usable id.
    pub fn room(self, user: Option<&str>, room: &str) -> Access {
        match (self.safe, user) {
            (false, _) => Access::Allowed,
            (true, None) => Access::Refused,
            (true, Some(user)) => match members(room) {
                Some(members) if members.contains(&user) => Access::Allowed,
                _ => Access::IfListed,
            },
        }
    }

    /// Whether a user may see which rooms the user `of` is in: only their own.
    pub fn may_list_rooms(self, user: Option<&str>, of: &str) -> bool {
        !self.safe || user == Some(of)
    }

    /// Whether a user may make the private room of two users: only one of their own.
    pub fn may_create_room(self, user: Option<&str>, between: [&str; 2]) -> bool {
        !self.safe || user.is_some_and(|user| between.contains(&user))
    }

    /// Whether both users of a new private room must exist.
    pub fn room_needs_both(self) -> bool {
        self.safe
    }

    /// Whether a user may send a message with this sender: only as themself. Its type is the
    /// client's business, since one id is a number after a registration and a text ever after.
    pub fn may_send_as(self, user: &User, message: &Message) -> bool {
        !self.safe || (message.from_is_one && message.from == [user.id.as_str()])
    }

    /// Whether a socket hears announcements.
    pub fn hears(self, signed_in: bool) -> bool {
        !self.safe || signed_in
    }

    /// Whether sockets are put into their user's rooms without asking: when they connect, and when a
    /// private room appears. The original's page does not join again after a lost connection.
    pub fn joins_for_them(self) -> bool {
        self.safe
    }

    /// Whether somebody comes with the first of their sockets here and leaves with the last. If not,
    /// each socket comes and leaves by itself.
    pub fn counts_sockets(self) -> bool {
        self.safe
    }

    /// Who is told that a room appeared.
    pub fn audience_of_new_room(self, room: &str) -> Audience {
        match (self.safe, members(room)) {
            (false, _) => Audience::Everyone,
            (true, Some(members)) => Audience::Users(members.map(str::to_owned)),
            (true, None) => Audience::Nobody("its room is not of two users"),
        }
    }

    /// Who gets an announcement of another instance.
    pub fn audience_of_foreign(self, event: &str, data: &Json) -> Audience {
        if !self.safe {
            return Audience::Everyone;
        }
        let field = |name| if let Json::Obj(data) = data { data.get(name) } else { None };
        match event {
            events::USER_CONNECTED | events::USER_DISCONNECTED => Audience::Everyone,
            events::SHOW_ROOM => match field("id") {
                Some(Json::Str(id)) => self.audience_of_new_room(&id.to_lossy()),
                _ => Audience::Nobody("its room has no id"),
            },
            events::MESSAGE => match field("roomId") {
                None | Some(Json::Null) => Audience::Nobody("it has no room"),
                Some(room) => Audience::Room(js::to_js_string(room)),
            },
            _ => Audience::Nobody("its type is none of the chat's"),
        }
    }

    /// Whether an event is acknowledged, if its sender asked for it.
    pub fn acknowledges(self) -> bool {
        self.safe
    }

    /// Whether a log-in gives the session a new id, so that who knew the old one gains nothing.
    pub fn renews_sessions(self) -> bool {
        self.safe
    }

    /// Whether the sockets of a session end with it: at a log-out, and when somebody else signs in.
    pub fn ends_sockets(self) -> bool {
        self.safe
    }

    /// The limits that hold: none under `exact`, as on the original, and none if they are switched off.
    pub fn limits(self, settings: &LimitSettings) -> Option<&LimitSettings> {
        (self.safe && settings.limits == Switch::On).then_some(settings)
    }

    /// Within which a connection must join the chat, if no setting says so. Who does not and means well
    /// comes again; the others are not kept longer than those who fall silent.
    pub fn connect_timeout(self, setting: Option<Duration>) -> Duration {
        setting.unwrap_or(Duration::from_secs(if self.safe { 25 } else { 45 }))
    }

    /// What stands behind the value in the session cookie. `https_only` asks for `Secure`.
    pub fn cookie_attributes(self, https_only: bool) -> &'static str {
        match (self.safe, https_only) {
            (false, _) => "; Path=/; HttpOnly",
            (true, false) => "; Path=/; HttpOnly; SameSite=Lax",
            (true, true) => "; Path=/; HttpOnly; Secure; SameSite=Lax",
        }
    }
}

#[cfg(test)]
mod tests;
