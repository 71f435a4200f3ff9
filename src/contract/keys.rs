//! Redis keys and the channel (`http-and-redis.md` sections 7 and 10).

use std::fmt::Display;

/// Decimal counter: the last user id that was given.
pub const TOTAL_USERS: &str = "total_users";
/// Set of the ids of users who are online, as text.
pub const ONLINE_USERS: &str = "online_users";
/// The one pub/sub channel that all instances, Node's and ours, share.
pub const CHANNEL: &str = "MESSAGES";
/// The channel on which servers of ours tell one another what is none of Node's business: a Node
/// server would pass it on to every browser.
pub const CONTROL: &str = "rs:control";
/// The id of the general room.
pub const GENERAL_ROOM: &str = "0";
/// Life of a session key in seconds, renewed by every request (section 6).
pub const SESSION_SECONDS: u64 = 86_400;

/// String `user:<id>`: the hash of the user with that name.
pub fn username(name: impl Display) -> String {
    format!("username:{name}")
}

/// Hash with `username` and `password` (bcrypt).
pub fn user(id: impl Display) -> String {
    format!("user:{id}")
}

/// Set of the ids of the rooms a user is in.
pub fn user_rooms(id: impl Display) -> String {
    format!("user:{id}:rooms")
}

/// Sorted set of message JSON by date.
pub fn room(id: impl Display) -> String {
    format!("room:{id}")
}

/// String: a room's name. Only the general room has one.
pub fn room_name(id: impl Display) -> String {
    format!("room:{id}:name")
}

/// String with a life: the session document.
pub fn session(sid: impl Display) -> String {
    format!("sess:{sid}")
}

/// String with a life, ours alone: the number of the last ordered write of one server process
/// that Redis has done. It tells, after a lost link, which writes must be repeated.
pub fn journal(instance: impl Display) -> String {
    format!("rs:journal:{instance}")
}

/// Sorted set, ours alone: the processes that hold a lease, by the time of Redis in milliseconds at which
/// it ends.
pub const LEASES: &str = "rs:leases";
/// What the key of a process's users begins with.
pub const HELD: &str = "rs:held:";

/// Hash, ours alone: the users who have sockets on one server process, and what is announced of each if
/// that is killed.
pub fn held(process: impl Display) -> String {
    format!("{HELD}{process}")
}
