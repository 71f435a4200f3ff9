//! The storage interface: domain verbs with their guarantees, over a plain enum of backends.
//!
//! Not a trait of Redis commands: that would force every other backend to emulate Redis.

pub mod commit;
mod data;
pub mod embedded;
pub mod record;
pub mod redis;
pub mod seed;

use std::{fmt, ops::RangeInclusive};

use self::commit::{Commit, Then};
pub use self::data::{
    Login, Peeked, Preload, Registration, Renewal, RoomKind, RoomRow, RoomState, User,
};

/// Why a verb could not be done.
#[derive(Debug, Clone)]
pub enum StoreError {
    /// The store can't be reached, or did not answer in time: 503, and it may be tried again.
    Unavailable(String),
    /// The store refused (wrong type, out of memory, disk full, read-only …): 500.
    Refused(String),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Unavailable(why) => write!(f, "the store is unavailable: {why}"),
            StoreError::Refused(why) => write!(f, "the store refused: {why}"),
        }
    }
}

impl std::error::Error for StoreError {}

/// What a verb returns.
pub type Result<T> = std::result::Result<T, StoreError>;

/// The store in use. Cheap to clone.
///
/// A write that was answered is seen by whatever is asked after that. Texts are UTF-8; session
/// documents and messages are bytes.
///
/// On Redis every verb fails with [`StoreError::Unavailable`] at once while Redis is away, and within
/// `REDIS_TIMEOUT` when it stops answering; of a writing verb it is then unknown whether it was done.
/// [`StoreError::Refused`] means that Redis answered with an error, such as a key of another type.
/// Unless said otherwise a verb is one round trip, however large. Texts that others wrote and that
/// are no UTF-8 are read with U+FFFD in their place.
///
/// In a file a verb takes as long as the disk does. [`StoreError::Refused`] means that nothing was done,
/// since the disk is full or fails, and there is no other way to fail until the store is closed.
#[derive(Clone)]
pub enum Store {
    /// The drop-in: the original's keys on a Redis that Node servers may share.
    Redis(redis::RedisStore),
    /// A file of this process alone, which needs no other program.
    Embedded(embedded::EmbeddedStore),
}

impl Store {
    /// Adds a write to the ordered ones. `then` is called once with its outcome, in the order of
    /// the writes and never from within this call; while a Redis is away the write waits.
    pub fn commit(&self, commit: Commit, then: Then) {
        match self {
            Self::Redis(redis) => redis.journal().push(commit, then),
            Self::Embedded(store) => store.commit(commit, then),
        }
    }

    /// Whether other servers may use the same store, so that there is somebody to announce things to.
    pub fn is_shared(&self) -> bool {
        matches!(self, Self::Redis(_))
    }

    /// Who is online, counted over the servers that share the store.
    pub fn leases(&self) -> Option<&redis::leases::Leases> {
        match self {
            Self::Redis(redis) => Some(redis.leases()),
            Self::Embedded(_) => None,
        }
    }

    /// Number of ordered writes that wait or are under way.
    pub fn held(&self) -> usize {
        match self {
            Self::Redis(redis) => redis.journal().len(),
            Self::Embedded(store) => store.held(),
        }
    }

    /// Bytes of the ordered writes that wait or are under way.
    pub fn held_bytes(&self) -> usize {
        match self {
            Self::Redis(redis) => redis.journal().bytes(),
            Self::Embedded(store) => store.held_bytes(),
        }
    }

    /// Returns when no ordered write waits.
    pub async fn until_settled(&self) {
        match self {
            Self::Redis(redis) => redis.journal().until_empty().await,
            Self::Embedded(store) => store.until_settled().await,
        }
    }

    /// Ends the work of the store when all that was handed to it is done. It can't be used any more.
    pub async fn close(&self) {
        match self {
            Self::Redis(_) => {}
            Self::Embedded(store) => store.close().await,
        }
    }

    /// Returns when the store can be asked. A file always can.
    pub async fn until_up(&self) {
        match self {
            Self::Redis(redis) => redis.link().until_up().await,
            Self::Embedded(_) => {}
        }
    }

    // Sessions (section 6).

    /// The document of a session, whose life is renewed to a day in the same step. In a file the
    /// renewal follows behind, and a life that would only change by less than a minute stays. While Redis
    /// takes no writes the life stays too, for a second round trip.
    pub async fn session_load(&self, sid: &str) -> Result<Option<Vec<u8>>> {
        match self {
            Self::Redis(store) => store.session_load(sid).await,
            Self::Embedded(store) => store.session_load(sid).await,
        }
    }

    /// The document of a session. Its life stays as it is: the look of a socket renews nothing.
    pub async fn session_peek(&self, sid: &str) -> Result<Option<Vec<u8>>> {
        match self {
            Self::Redis(store) => store.session_peek(sid).await,
            Self::Embedded(store) => store.session_peek(sid).await,
        }
    }

    /// A session, its life as it is, with the ids of the rooms in the list of its user: of the one whom
    /// `user_of` finds in the document. One round trip unless that is an odd one.
    pub async fn session_peek_with_rooms(
        &self,
        sid: &str,
        user_of: fn(&[u8]) -> Option<String>,
    ) -> Result<Option<Peeked>> {
        match self {
            Self::Redis(store) => store.session_peek_with_rooms(sid, user_of).await,
            Self::Embedded(store) => store.session_peek_with_rooms(sid, user_of).await,
        }
    }

    /// Those of the sessions that have ended, but none if all data is gone: with the user for whom one was
    /// renewed, as `renewed_for` finds it in what is left, or without one if it is gone. A file's sessions end here
    /// alone, which is known.
    pub async fn sessions_ended(
        &self,
        sids: &[String],
        renewed_for: fn(&[u8]) -> Option<String>,
    ) -> Result<Vec<(String, Option<String>)>> {
        match self {
            Self::Redis(store) => store.sessions_ended(sids, renewed_for).await,
            Self::Embedded(_) => Ok(Vec::new()),
        }
    }

    /// Stores a session for that many seconds, over any that has the id already. Once this has
    /// returned, every server on the same store finds it.
    pub async fn session_create(&self, sid: &str, text: &str, seconds: u64) -> Result<()> {
        match self {
            Self::Redis(store) => store.session_create(sid, text, seconds).await,
            Self::Embedded(store) => store.session_create(sid, text, seconds).await,
        }
    }

    /// Replaces the document of a session that still exists, and sets its life in seconds. `false`
    /// if it is gone; it is not brought back then, so that a slow request can't undo a logout.
    pub async fn session_replace(&self, sid: &str, text: &str, seconds: u64) -> Result<bool> {
        match self {
            Self::Redis(store) => store.session_replace(sid, text, seconds).await,
            Self::Embedded(store) => store.session_replace(sid, text, seconds).await,
        }
    }

    /// Gives a session a new id: stores what it is now, and only then replaces the document under its
    /// old id, if that still exists, and tells the other servers of ours. If this fails, the old
    /// session may stand as it was.
    pub async fn session_renew(&self, renewal: Renewal) -> Result<()> {
        match self {
            Self::Redis(store) => store.session_renew(renewal).await,
            Self::Embedded(store) => store.session_renew(renewal).await,
        }
    }

    /// Deletes a session, if it exists, and tells the other servers of ours, if there is something to
    /// tell.
    pub async fn session_delete(&self, sid: &str, tell: Option<Vec<u8>>) -> Result<()> {
        match self {
            Self::Redis(store) => store.session_delete(sid, tell).await,
            Self::Embedded(store) => store.session_delete(sid).await,
        }
    }

    // Users (section 2).

    /// What the log-in of a name needs; `None` if nobody has the name. Names are compared byte for
    /// byte. A user whose hash or password is missing has no `password_hash`. Two round trips.
    pub async fn find_login(&self, name: &str) -> Result<Option<Login>> {
        match self {
            Self::Redis(store) => store.find_login(name).await,
            Self::Embedded(store) => store.find_login(name).await,
        }
    }

    /// Registers a user under the next id and puts them into the general room, in one step: of two
    /// registrations of one name one is `Taken`, and a user is written wholly or not at all.
    pub async fn create_user(&self, name: &str, password_hash: &str) -> Result<Registration> {
        match self {
            Self::Redis(store) => store.create_user(name, password_hash).await,
            Self::Embedded(store) => store.create_user(name, password_hash).await,
        }
    }

    /// The users with these ids, in the order of the ids; `None` for an id that no user has.
    pub async fn users(&self, ids: &[String]) -> Result<Vec<Option<User>>> {
        match self {
            Self::Redis(store) => store.users(ids).await,
            Self::Embedded(store) => store.users(ids).await,
        }
    }

    /// The ids and users that are online, in no particular order; ids without a user are left out.
    /// Two round trips.
    pub async fn online_users(&self) -> Result<Vec<(String, User)>> {
        match self {
            Self::Redis(store) => store.online_users().await,
            Self::Embedded(store) => store.online_users().await,
        }
    }

    /// The names of two users; `None` for an unknown user or one without a name.
    pub async fn user_names(&self, ids: [&str; 2]) -> Result<[Option<String>; 2]> {
        match self {
            Self::Redis(store) => store.user_names(ids).await,
            Self::Embedded(store) => store.user_names(ids).await,
        }
    }

    // Rooms (section 2).

    /// Puts a room into both users' lists and returns their names, all in the order given. Doing it
    /// again changes nothing. The users need not exist.
    pub async fn create_private_room(
        &self,
        user1: &str,
        user2: &str,
        room: &str,
    ) -> Result<[Option<String>; 2]> {
        match self {
            Self::Redis(store) => store.create_private_room(user1, user2, room).await,
            Self::Embedded(store) => store.create_private_room(user1, user2, room).await,
        }
    }

    /// The rooms in a user's list, in the order of SMEMBERS or, in a file, of entering. Rooms without
    /// name and messages are left out; after a [`RoomRow::Malformed`] there are no more rows. Two
    /// round trips.
    pub async fn rooms_of(&self, user: &str) -> Result<Vec<RoomRow>> {
        match self {
            Self::Redis(store) => store.rooms_of(user).await,
            Self::Embedded(store) => store.rooms_of(user).await,
        }
    }

    /// The ids of all rooms in a user's list, in no particular order, whatever the rooms are.
    pub async fn listed_rooms(&self, user: &str) -> Result<Vec<String>> {
        match self {
            Self::Redis(store) => store.listed_rooms(user).await,
            Self::Embedded(store) => store.listed_rooms(user).await,
        }
    }

    /// Whether a room is in a user's list.
    pub async fn is_listed(&self, user: &str, room: &str) -> Result<bool> {
        match self {
            Self::Redis(store) => store.is_listed(user, room).await,
            Self::Embedded(store) => store.is_listed(user, room).await,
        }
    }

    /// Whether a room has messages. A key of another type counts too, as in the original.
    pub async fn room_exists(&self, room: &str) -> Result<bool> {
        match self {
            Self::Redis(store) => store.room_exists(room).await,
            Self::Embedded(store) => store.room_exists(room).await,
        }
    }

    /// Messages of a room, newest first, from index `start` to index `stop`, both included; negative
    /// ones count from the oldest. Messages of one score are in the order of their bytes, last ones
    /// first. `None` if the room has no messages at all.
    pub async fn history(&self, room: &str, start: i64, stop: i64) -> Result<Option<Vec<Vec<u8>>>> {
        match self {
            Self::Redis(store) => store.history(room, start, stop).await,
            Self::Embedded(store) => store.history(room, start, stop).await,
        }
    }

    /// Messages of rooms whose score is in `dated`, in store order: up to `most` of each room,
    /// behind as many as the number beside it. A key of another type counts as empty. For what other
    /// servers have stored: a file has none.
    pub async fn messages_dated(
        &self,
        rooms: &[(String, usize)],
        dated: &RangeInclusive<f64>,
        most: usize,
    ) -> Result<Vec<Vec<Vec<u8>>>> {
        match self {
            Self::Redis(store) => store.messages_dated(rooms, dated, most).await,
            Self::Embedded(_) => Ok(vec![Vec::new(); rooms.len()]),
        }
    }

    /// Whether all messages of each room have a score of `from` or higher. For rooms that other servers
    /// have begun: in a file none is.
    pub async fn rooms_begun_after(&self, rooms: &[String], from: f64) -> Result<Vec<bool>> {
        match self {
            Self::Redis(store) => store.rooms_begun_after(rooms, from).await,
            Self::Embedded(_) => Ok(vec![false; rooms.len()]),
        }
    }

    /// Name and newest messages of the general room.
    pub async fn preload(&self) -> Result<Preload> {
        match self {
            Self::Redis(store) => store.preload().await,
            Self::Embedded(store) => store.preload().await,
        }
    }

    /// What there is of a room.
    pub async fn room_state(&self, room: &str) -> Result<RoomState> {
        match self {
            Self::Redis(store) => store.room_state(room).await,
            Self::Embedded(store) => store.room_state(room).await,
        }
    }
}
