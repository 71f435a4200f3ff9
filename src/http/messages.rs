//! `GET /room/:id/messages` and `GET /room/0/preload` (`http-and-redis.md` sections 2 and 9).

use super::{Call, error::Error, query, respond::Answer};
use crate::{
    app::App,
    chat::policy::Access,
    contract::keys::GENERAL_ROOM,
    js::{self, Json, Object},
};

/// Messages of a room, newest first. A room without messages has none whatever is asked for.
pub(super) async fn get(app: &App, call: &Call<'_>) -> Result<Answer, Error> {
    let room = call.parameter.as_str();
    // Both are asked for at once: for the general room the answer is nearly always yes.
    let (may_read, found) = tokio::join!(may_read(app, call, room), find(app, call, room));
    if !may_read? {
        return Err(Error::NotAllowed("You are not a member of the room"));
    }
    Ok(Answer::ok_text(readable(room, found?.unwrap_or_default())))
}

async fn may_read(app: &App, call: &Call<'_>, room: &str) -> Result<bool, Error> {
    let user = call.user_id();
    match (app.policy.room(user.as_deref(), room), &user) {
        (Access::Allowed, _) => Ok(true),
        (Access::IfListed, Some(user)) => Ok(app.store.is_listed(user, room).await?),
        _ => Ok(false),
    }
}

async fn find(app: &App, call: &Call<'_>, room: &str) -> Result<Option<Vec<Vec<u8>>>, Error> {
    let offset = query::number(call.query, "offset");
    let last = offset + query::number(call.query, "size");
    match (integer(offset), integer(last)) {
        (Some(first), Some(last)) => Ok(app.store.history(room, first, last).await?),
        _ if app.store.room_exists(room).await? => {
            Err(Error::Invalid("offset and size must be integers"))
        }
        _ => Ok(None),
    }
}

/// The general room, for the page before anybody signs in.
pub(super) async fn preload(app: &App) -> Result<Answer, Error> {
    let found = app.store.preload().await?;
    let mut room = Object::default();
    room.insert("id", GENERAL_ROOM.into());
    room.insert("name", found.name.map_or(Json::Null, |name| Json::Str(name.into())));
    // The messages are text already: they go in last, before the closing brace.
    let mut text = Json::from(room).to_text().into_bytes();
    text.pop();
    text.extend_from_slice(b",\"messages\":");
    text.extend(readable(GENERAL_ROOM, found.messages));
    text.push(b'}');
    Ok(Answer::ok_text(text))
}

/// An integer that Redis takes as one.
fn integer(number: f64) -> Option<i64> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    (number.fract() == 0.0 && (-LIMIT..LIMIT).contains(&number)).then_some(number as i64)
}

/// The JSON text of stored messages: an array of them, as JavaScript writes them after reading them.
/// What is not JSON is left out.
fn readable(room: &str, stored: Vec<Vec<u8>>) -> Vec<u8> {
    let mut text =
        Vec::with_capacity(stored.iter().map(|member| member.len() + 1).sum::<usize>() + 2);
    text.push(b'[');
    for member in stored {
        let start = text.len();
        if start > 1 {
            text.push(b',');
        }
        if js::is_canonical(&member) {
            text.extend_from_slice(&member);
            continue;
        }
        match Json::parse(&String::from_utf8_lossy(&member)) {
            Ok(message) => message.write(&mut text),
            Err(why) => {
                tracing::warn!(room, %why, "a stored message can't be read");
                text.truncate(start);
            }
        }
    }
    text.push(b']');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_integers_of_64_bits_are_taken() {
        for (number, expected) in [(0.0, Some(0)), (-0.0, Some(0)), (-5.0, Some(-5))] {
            assert_eq!(integer(number), expected);
        }
        for bad in [f64::NAN, f64::INFINITY, 0.5, 1e23, 9.3e18] {
            assert_eq!(integer(bad), None, "{bad}");
        }
    }

    #[test]
    fn messages_are_normalised_and_bad_ones_left_out() {
        let stored = [&b"{bad"[..], br#"{"b":1.0,"1":"\u0041"}"#, b"null"].map(<[u8]>::to_vec);
        assert_eq!(readable("0", stored.into()), br#"[{"1":"A","b":1},null]"#);
        let stored = [&b"1"[..], b"{bad", b"2"].map(<[u8]>::to_vec);
        assert_eq!(readable("0", stored.into()), b"[1,2]");
    }
}
