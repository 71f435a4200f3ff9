//! What a store holds, piece by piece, as it moves from one store to another and as the demo's
//! data is written. Keys of the Redis layout: `http-and-redis.md` section 7.
//!
//! Who is online is no record: it belongs to the servers that run, not to the data.

use std::time::Duration;

/// One piece of data.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// The last user id that was given.
    LastUserId(i64),
    /// Which user has a name.
    Name {
        /// The name, as it was registered.
        name: String,
        /// The user's id.
        id: String,
    },
    /// A user.
    User {
        /// The id.
        id: String,
        /// The name that others see.
        username: Option<String>,
        /// The bcrypt hash.
        password: Option<String>,
    },
    /// A room in a user's list.
    UserRoom {
        /// The user's id.
        user: String,
        /// The room's id.
        room: String,
    },
    /// A room's name.
    RoomName {
        /// The room's id.
        room: String,
        /// Its name.
        name: String,
    },
    /// A message.
    Message {
        /// The room's id.
        room: String,
        /// Its place in the room; messages of one score are in the order of their bytes.
        score: f64,
        /// The message's JSON.
        member: Vec<u8>,
    },
    /// A session.
    Session {
        /// The id, unsigned.
        sid: String,
        /// The document.
        document: Vec<u8>,
        /// What is left of its life.
        life: Duration,
    },
}
