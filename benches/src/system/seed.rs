//! Users, sessions, rooms and messages, written as the original writes them
//! (`docs/contract/http-and-redis.md` sections 6, 7 and 9), but without bcrypt.

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use hmac::{Hmac, Mac};
use redis::{Connection, Pipeline, cmd, pipe};
use sha2::Sha256;

use crate::error::{Error, because};

/// The servers' secret: the original's.
pub const SECRET: &str = "keyboard cat";
/// Everybody's password.
pub const PASSWORD: &str = "password123";
/// A bcrypt hash of [`PASSWORD`], cost 10: made once, so that seeding a thousand users takes no minute.
const PASSWORD_HASH: &str = "$2b$10$vntnzNuCnXEPNdNV/Zmo4uVlPzqz1Bf4vp20j.TIlWKQ9TP.zYQ4m";
/// The room of the fan-outs. Not the general room, which everybody is in: some sockets have to stay outside.
pub const ROOM: &str = "7";
/// The score of the first stored message.
const EPOCH: u64 = 1_600_000_000;
/// Commands in one pipeline.
const LOT: u64 = 5_000;

/// What a scenario finds in the store.
#[derive(Debug, Clone, Copy, Default)]
pub struct Seed {
    /// Users 1 to this; each has a session.
    pub users: u64,
    /// Of these, users 1 to this are members of [`ROOM`].
    pub members: u64,
    /// Users (1, 2), (3, 4) … have a private room with one message, so that it is a known one.
    pub pairs: u64,
    /// Rooms, of which every group of users has each [`GROUPS`]th.
    pub rooms: u64,
    /// Messages of the general room.
    pub messages: u64,
}

impl Seed {
    /// Replaces what Redis holds.
    pub fn plant(&self, connection: &mut Connection) -> Result<(), Error> {
        cmd("FLUSHALL").exec(connection).map_err(because("FLUSHALL"))?;
        let mut lot = Lot { connection, pipeline: pipe(), waiting: 0 };
        lot.add(&["SET", "total_users", &self.users.to_string()])?;
        lot.add(&["SET", "room:0:name", "General"])?;
        lot.add(&["SET", &format!("room:{ROOM}:name"), "Bench"])?;
        for id in 1..=self.users {
            let (name, user) = (username(id), format!("user:{id}"));
            lot.add(&["SET", &format!("username:{name}"), &user])?;
            lot.add(&["HSET", &user, "username", &name, "password", PASSWORD_HASH])?;
            lot.add(&["SADD", &format!("{user}:rooms"), "0"])?;
            if id <= self.members {
                lot.add(&["SADD", &format!("{user}:rooms"), ROOM])?;
            }
            lot.add(&["SET", &format!("sess:{}", sid(id)), &session(id), "EX", "86400"])?;
        }
        for pair in 0..self.pairs {
            let (room, one, other) = (pair_room(pair), 2 * pair + 1, 2 * pair + 2);
            lot.add(&["SADD", &format!("user:{one}:rooms"), &room])?;
            lot.add(&["SADD", &format!("user:{other}:rooms"), &room])?;
            lot.message(&room, 0, one)?;
        }
        for room in 0..self.rooms {
            let id = room_of(room);
            lot.add(&["SET", &format!("room:{id}:name"), "Bench"])?;
            let first = room % GROUPS * GROUP + 1;
            for user in first..first + GROUP {
                lot.add(&["SADD", &format!("user:{user}:rooms"), &id])?;
            }
        }
        for number in 0..self.messages {
            lot.message("0", number, 1 + number % self.users.max(1))?;
        }
        lot.send()
    }
}

/// Commands on their way, so that a million messages need not be in memory at once.
struct Lot<'a> {
    connection: &'a mut Connection,
    pipeline: Pipeline,
    waiting: u64,
}

impl Lot<'_> {
    fn add(&mut self, words: &[&str]) -> Result<(), Error> {
        let mut command = cmd(words[0]);
        command.arg(&words[1..]);
        self.pipeline.add_command(command).ignore();
        self.waiting += 1;
        if self.waiting < LOT { Ok(()) } else { self.send() }
    }

    fn message(&mut self, room: &str, number: u64, from: u64) -> Result<(), Error> {
        let date = EPOCH + number;
        let text = format!("message {number} of this room, about as long as people write");
        let member =
            format!(r#"{{"roomId":"{room}","message":"{text}","from":"{from}","date":{date}}}"#);
        self.add(&["ZADD", &format!("room:{room}"), &date.to_string(), &member])
    }

    fn send(&mut self) -> Result<(), Error> {
        self.waiting = 0;
        let lot = std::mem::replace(&mut self.pipeline, pipe());
        lot.exec(self.connection).map_err(because("seeding Redis"))
    }
}

/// Groups of users.
pub const GROUPS: u64 = 10;
/// Users of one group.
pub const GROUP: u64 = 10;

/// The id of one of [`Seed::rooms`].
pub fn room_of(room: u64) -> String {
    (100 + room).to_string()
}

/// The private room of a pair of users.
pub fn pair_room(pair: u64) -> String {
    format!("{}:{}", 2 * pair + 1, 2 * pair + 2)
}

/// The name of a user.
pub fn username(id: u64) -> String {
    format!("user{id}")
}

/// The session of a user, as a log-in leaves it: the id is a text.
fn session(id: u64) -> String {
    let name = username(id);
    format!(
        r#"{{"cookie":{{"originalMaxAge":null,"expires":null,"httpOnly":true,"path":"/"}},"user":{{"id":"{id}","username":"{name}"}}}}"#
    )
}

fn sid(id: u64) -> String {
    format!("bench-{id:026}")
}

/// The Cookie header of a user's session.
pub fn cookie(id: u64) -> String {
    let sid = sid(id);
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any length will do");
    mac.update(sid.as_bytes());
    let signature = STANDARD_NO_PAD.encode(mac.finalize().into_bytes());
    let escaped = signature.replace('+', "%2B").replace('/', "%2F");
    format!("connect.sid=s%3A{sid}.{escaped}")
}
