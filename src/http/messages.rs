//! `GET /room/:id/messages` and `GET /room/0/preload` (`http-and-redis.md` sections 2 and 9).

use super::{Call, error::Error, long::Pace, query, respond::Answer};
use crate::{
    app::App,
    chat::policy::Access,
    contract::keys::GENERAL_ROOM,
    js::{self, Json, Object},
    store::Preload,
};

/// The messages that are asked for, by their indexes from the newest one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    first: i64,
    last: i64,
}

impl Span {
    /// `None` if they are no integers.
    fn of(query: &str) -> Option<Span> {
        let offset = query::number(query, "offset");
        let last = offset + query::number(query, "size");
        Some(Span { first: integer(offset)?, last: integer(last)? })
    }

    /// How many messages that are; `None` if it is the room's affair, since one of the indexes counts from
    /// its end.
    fn count(self) -> Option<u64> {
        // Of the same sign they don't overflow.
        ((self.first < 0) == (self.last < 0)).then(|| (self.last - self.first).max(-1).abs_diff(-1))
    }
}

/// Messages of a room, newest first. A room without messages has none whatever is asked for.
pub(super) async fn get(app: &App, call: &Call<'_>) -> Result<Answer, Error> {
    let room = call.parameter.as_str();
    if !may_read(app, call, room).await? {
        return Err(Error::NotAllowed("You are not a member of the room"));
    }
    let Some(span) = Span::of(call.query) else {
        return match app.store.room_exists(room).await? {
            true => Err(Error::Invalid("offset and size must be integers")),
            false => Ok(Answer::ok_text("[]")),
        };
    };
    let (store, id) = (app.store.clone(), room.to_owned());
    let reading = async move { store.history(&id, span.first, span.last).await };
    let (found, _permit) = app.long.read(span.count(), reading).await?;
    let found = found.unwrap_or_default();
    let _share = app.long.count(bytes(&found))?;
    Ok(Answer::ok_long(readable(room, found).await).await)
}

async fn may_read(app: &App, call: &Call<'_>, room: &str) -> Result<bool, Error> {
    let user = call.user_id();
    match (app.policy.room(user.as_deref(), room), &user) {
        (Access::Allowed, _) => Ok(true),
        (Access::IfListed, Some(user)) => Ok(app.store.is_listed(user, room).await?),
        _ => Ok(false),
    }
}

/// The general room, for the page before anybody signs in.
pub(super) async fn preload(app: &App) -> Result<Answer, Error> {
    let store = app.store.clone();
    let reading = async move { store.preload().await };
    let (found, _permit) = app.long.read(Some(Preload::MOST.into()), reading).await?;
    let _share = app.long.count(bytes(&found.messages))?;
    let mut room = Object::default();
    room.insert("id", GENERAL_ROOM.into());
    room.insert("name", found.name.map_or(Json::Null, |name| Json::Str(name.into())));
    // The messages are text already: they go in last, before the closing brace.
    let mut text = Json::from(room).to_text().into_bytes();
    text.pop();
    text.extend_from_slice(b",\"messages\":");
    text.extend(readable(GENERAL_ROOM, found.messages).await);
    text.push(b'}');
    Ok(Answer::ok_long(text).await)
}

/// An integer that Redis takes as one.
fn integer(number: f64) -> Option<i64> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    (number.fract() == 0.0 && (-LIMIT..LIMIT).contains(&number)).then_some(number as i64)
}

fn bytes(stored: &[Vec<u8>]) -> usize {
    stored.iter().map(Vec::len).sum()
}

/// The JSON text of stored messages: an array of them, as JavaScript writes them after reading them.
/// What is not JSON is left out.
async fn readable(room: &str, stored: Vec<Vec<u8>>) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes(&stored) + stored.len() + 2);
    text.push(b'[');
    let mut pace = Pace::default();
    for member in stored {
        pace.did(member.len()).await;
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
    fn the_number_of_messages_is_known_unless_it_depends_on_the_room() {
        for (first, last, expected) in [
            (0, 49, Some(50)),
            (-3, -1, Some(3)),
            (5, 4, Some(0)),
            (9, 2, Some(0)),
            (0, i64::MAX, Some(1 << 63)),
            (0, -1, None),
            (-5, 3, None),
        ] {
            assert_eq!(Span { first, last }.count(), expected, "{first} {last}");
        }
    }

    #[tokio::test]
    async fn messages_are_normalised_and_bad_ones_left_out() {
        let stored = [&b"{bad"[..], br#"{"b":1.0,"1":"\u0041"}"#, b"null"].map(<[u8]>::to_vec);
        assert_eq!(readable("0", stored.into()).await, br#"[{"1":"A","b":1},null]"#);
        let stored = [&b"1"[..], b"{bad", b"2"].map(<[u8]>::to_vec);
        assert_eq!(readable("0", stored.into()).await, b"[1,2]");
    }
}
