//! Demo data for an empty store (`http-and-redis.md` section 11).

use std::{
    collections::HashSet,
    time::{SystemTime, UNIX_EPOCH},
};

use rand::{Rng, seq::IndexedRandom};

use super::record::Record;
use crate::contract::keys::GENERAL_ROOM;

/// The password of all demo users.
pub const PASSWORD: &str = "password123";
/// How many demo users there are.
pub const USERS: usize = 4;

/// The demo users; their ids are their places, from 1.
const NAMES: [&str; USERS] = ["Pablo", "Joe", "Mary", "Alex"];
const GENERAL: &str = "General";
const GREETINGS: [&str; 4] = ["Hello", "Hi", "Yo", "Hola"];
/// Greetings are up to so many seconds old.
const GREETING_AGE: f64 = 222.0;
/// Messages of the general room, oldest first.
const MESSAGES: [&str; 5] = [
    "Hello!",
    "Hi, How are you? What about our next meeting?",
    "Yeah everything is fine",
    "Next meeting tomorrow 10.00AM",
    "Wow that's great",
];
/// Seconds between the messages of the general room, and from the last one to now.
const MESSAGE_STEP: u64 = 200;

/// The demo data in the original's order. `hashes` are bcrypt hashes of [`PASSWORD`].
pub(super) fn demo_data(hashes: &[String; USERS]) -> Vec<Record> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut random = rand::rng();
    let general = || GENERAL_ROOM.to_owned();
    let mut all = vec![
        Record::LastUserId(USERS as i64),
        Record::RoomName { room: general(), name: GENERAL.into() },
    ];
    for ((id, name), hash) in (1..).zip(NAMES).zip(hashes) {
        let id = i32::to_string(&id);
        let (username, password) = (Some(name.into()), Some(hash.clone()));
        all.push(Record::Name { name: name.into(), id: id.clone() });
        all.push(Record::User { id: id.clone(), username, password });
        all.push(Record::UserRoom { user: id, room: general() });
    }
    let mut made = HashSet::new();
    for user in 1..=USERS {
        for other in (1..=USERS).filter(|other| *other != user) {
            let room = format!("{}:{}", user.min(other), user.max(other));
            if made.insert(room.clone()) {
                all.extend(
                    [user, other].map(|user| Record::UserRoom {
                        user: user.to_string(),
                        room: room.clone(),
                    }),
                );
            }
            let greeting = GREETINGS.choose(&mut random).copied().unwrap_or(GREETINGS[0]);
            let date = now as f64 - random.random::<f64>() * GREETING_AGE;
            all.push(message(&room, other, greeting, date));
        }
    }
    let ages = (1..=MESSAGES.len() as u64).rev();
    for (text, age) in MESSAGES.iter().zip(ages) {
        let date = now.saturating_sub(age * MESSAGE_STEP) as f64;
        let sender = random.random_range(1..=USERS);
        all.push(message(GENERAL_ROOM, sender, text, date));
    }
    all
}

/// A message with the seeder's order of fields. None of the texts needs escaping in JSON.
fn message(room: &str, from: usize, text: &str, score: f64) -> Record {
    let date = crate::js::number_text(score);
    let json = format!(r#"{{"from":{from},"date":{date},"message":"{text}","roomId":"{room}"}}"#);
    Record::Message { room: room.into(), score, member: json.into_bytes() }
}
