//! Short ways to write records.

use redis_chat_server::store::record::Record;

pub fn name(name: &str, id: &str) -> Record {
    Record::Name { name: name.into(), id: id.into() }
}

pub fn user(id: &str, username: Option<&str>, password: Option<&str>) -> Record {
    let text = |text: Option<&str>| text.map(String::from);
    Record::User { id: id.into(), username: text(username), password: text(password) }
}

pub fn user_room(user: &str, room: &str) -> Record {
    Record::UserRoom { user: user.into(), room: room.into() }
}

pub fn room_name(room: &str, name: &str) -> Record {
    Record::RoomName { room: room.into(), name: name.into() }
}

pub fn message(room: &str, score: f64, member: &str) -> Record {
    Record::Message { room: room.into(), score, member: member.into() }
}
