//! Records as Redis commands (`http-and-redis.md` section 7).

use redis::Pipeline;

use crate::{contract::keys, js::number_text, store::record::Record};

/// Adds the command that writes a record.
pub(super) fn add(all: &mut Pipeline, record: &Record) {
    match record {
        Record::LastUserId(id) => all.cmd("SET").arg(keys::TOTAL_USERS).arg(id),
        Record::Name { name, id } => all.cmd("SET").arg(keys::username(name)).arg(keys::user(id)),
        Record::User { id, username, password } => {
            let fields = [("username", username), ("password", password)];
            let set = fields.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
            let command = all.cmd("HSET").arg(keys::user(id));
            set.fold(command, |command, (name, value)| command.arg(name).arg(value))
        }
        Record::UserRoom { user, room } => all.cmd("SADD").arg(keys::user_rooms(user)).arg(room),
        Record::RoomName { room, name } => all.cmd("SET").arg(keys::room_name(room)).arg(name),
        Record::Message { room, score, member } => {
            all.cmd("ZADD").arg(keys::room(room)).arg(score_text(*score)).arg(member)
        }
        Record::Session { sid, document, life } => {
            let millis = u64::try_from(life.as_millis()).unwrap_or(u64::MAX).max(1);
            all.cmd("SET").arg(keys::session(sid)).arg(document).arg("PX").arg(millis)
        }
    };
}

/// JavaScript's text of a finite number is one that Redis reads; its infinities have other names.
fn score_text(score: f64) -> String {
    if score.is_infinite() {
        return if score > 0.0 { "+inf".into() } else { "-inf".into() };
    }
    number_text(score)
}
