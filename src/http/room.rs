//! `POST /room` (`http-and-redis.md` section 2): makes the private room of two users.

use hyper::StatusCode;

use super::{Call, error::Error, respond::Answer};
use crate::{
    app::App,
    js::{Json, Object, number_text, parse_int, to_js_string},
};

pub(super) async fn post(app: &App, call: &Call<'_>) -> Result<Answer, Error> {
    let id = |name| call.field(name).and_then(|id| parse_int(&to_js_string(id).to_lossy()));
    let (Some(user1), Some(user2)) = (id("user1"), id("user2")) else {
        return Err(Error::BadRequest);
    };
    if user1 == user2 {
        return Err(Error::BadRequest);
    }
    let room = format!("{}:{}", number_text(user1.min(user2)), number_text(user1.max(user2)));
    let (user1, user2) = (number_text(user1), number_text(user2));
    if !app.policy.may_create_room(call.user_id().as_deref(), [&user1, &user2]) {
        return Err(Error::NotAllowed("You may only make rooms of your own"));
    }
    if app.policy.room_needs_both()
        && app.store.user_names([&user1, &user2]).await?.iter().any(Option::is_none)
    {
        return Err(Error::NotAllowed("There is no such user"));
    }
    let names = app.store.create_private_room(&user1, &user2, &room).await?;
    app.chat.room_appeared(&room);
    let mut made = Object::default();
    made.insert("id", room.as_str().into());
    made.insert("names", names_json(names));
    Ok(Answer::json(StatusCode::CREATED, &made.into()))
}

/// `[[name],[name]]`, with `null` for an unknown user: how private rooms show their members.
pub(super) fn names_json(names: [Option<String>; 2]) -> Json {
    let one = |name: Option<String>| {
        Json::Arr(vec![name.map_or(Json::Null, |name| Json::Str(name.into()))])
    };
    Json::Arr(names.map(one).into())
}
