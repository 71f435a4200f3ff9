//! What the verbs of the store take and answer.

use crate::contract::session::Stored;

/// What the log-in of a known name needs (`http-and-redis.md` section 2, `/login`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The text after the last `:` of the value of `username:<name>`.
    pub id: String,
    /// The bcrypt hash, if the user's hash has one.
    pub password_hash: Option<String>,
}

/// The outcome of a registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Registration {
    /// A new user with this id.
    Created(i64),
    /// Somebody has the name already; nothing was written.
    Taken,
}

/// A user as `/users` shows one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Absent if the user's hash has no such field.
    pub username: Option<String>,
    /// Whether the id is in `online_users`.
    pub online: bool,
}

/// A room in a user's list. Rooms that have neither a name nor messages are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoomRow {
    /// A room with a name of its own.
    Named {
        /// Room id.
        id: String,
        /// The name.
        name: String,
    },
    /// A private room: the names of the users that the two parts of its id stand for.
    Private {
        /// Room id.
        id: String,
        /// The users' names, in the order of the id; `None` for an unknown user.
        names: [Option<String>; 2],
    },
    /// A room without a name whose id has not exactly two parts: the whole answer is a 400.
    Malformed,
}

/// The general room as `/room/0/preload` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preload {
    /// The room's name; `None` if the key is absent.
    pub name: Option<String>,
    /// Up to [`MOST`](Self::MOST) stored members, newest first.
    pub messages: Vec<Vec<u8>>,
}

impl Preload {
    /// The messages of a preload, 0 to 20: both ends count.
    pub const MOST: u32 = 21;
    /// The index of the last one.
    pub(crate) const LAST: i64 = Self::MOST as i64 - 1;
}

/// A session as a socket looks at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peeked {
    /// The document.
    pub document: Vec<u8>,
    /// Seconds that it lives unless it is renewed.
    pub seconds: u64,
    /// Ids of the rooms in the list of its user.
    pub rooms: Vec<String>,
}

/// A session under a new id, and what stays under the old one.
#[derive(Debug, Clone)]
pub struct Renewal {
    /// The new id.
    pub sid: String,
    /// The document under it.
    pub document: Stored,
    /// The old id.
    pub old_sid: String,
    /// The document under it from now on.
    pub old_document: Stored,
    /// What the other servers of ours are told, if anything.
    pub tell: Option<Vec<u8>>,
}

/// What there is of a room, as the realtime side needs to know before it stores a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoomState {
    /// Whether the room has a name key. Only its existence counts, not its content.
    pub named: bool,
    /// What stands under the room's own key.
    pub kind: RoomKind,
}

/// What stands under a room's own key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoomKind {
    /// Nothing: no message was stored yet.
    Absent,
    /// Messages.
    SortedSet,
    /// Something else: messages can be neither read nor stored.
    Other,
}
