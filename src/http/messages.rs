//! `GET /room/:id/messages` and `GET /room/0/preload` (`http-and-redis.md` sections 2 and 9).

use super::{Call, error::Error, query, respond::Answer};
use crate::{
    app::App,
    contract::keys::GENERAL_ROOM,
    js::{Json, Object},
};

/// Messages of a room, newest first. A room without messages has none whatever is asked for.
pub(super) async fn get(app: &App, call: &Call<'_>) -> Result<Answer, Error> {
    let room = call.parameter.as_str();
    if !app.policy.may_read_room(call.user(), room) {
        return Err(Error::Forbidden);
    }
    let offset = query::number(call.query, "offset");
    let last = offset + query::number(call.query, "size");
    let found = match (integer(offset), integer(last)) {
        (Some(first), Some(last)) => app.store.history(room, first, last).await?,
        _ if app.store.room_exists(room).await? => {
            return Err(Error::Invalid("offset and size must be integers"));
        }
        _ => None,
    };
    Ok(Answer::ok(&readable(room, found.unwrap_or_default())))
}

/// The general room, for the page before anybody signs in.
pub(super) async fn preload(app: &App) -> Result<Answer, Error> {
    let found = app.store.preload().await?;
    let mut room = Object::default();
    room.insert("id", GENERAL_ROOM.into());
    room.insert("name", found.name.map_or(Json::Null, |name| Json::Str(name.into())));
    room.insert("messages", readable(GENERAL_ROOM, found.messages));
    Ok(Answer::ok(&room.into()))
}

/// An integer that Redis takes as one.
fn integer(number: f64) -> Option<i64> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    (number.fract() == 0.0 && (-LIMIT..LIMIT).contains(&number)).then_some(number as i64)
}

/// Stored messages, parsed and written again. What is not JSON is left out.
fn readable(room: &str, stored: Vec<Vec<u8>>) -> Json {
    let parse = |member: Vec<u8>| match Json::parse(&String::from_utf8_lossy(&member)) {
        Ok(message) => Some(message),
        Err(why) => {
            tracing::warn!(room, %why, "a stored message can't be read");
            None
        }
    };
    Json::Arr(stored.into_iter().filter_map(parse).collect())
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
        assert_eq!(readable("0", stored.into()).to_text(), r#"[{"1":"A","b":1},null]"#);
    }
}
