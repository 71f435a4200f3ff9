//! `GET /rooms/:userId` (`http-and-redis.md` section 2): a user's rooms.

use super::{Call, error::Error, respond::Answer, room::names_json};
use crate::{
    app::App,
    js::{Json, Object},
    store::RoomRow,
};

pub(super) async fn get(app: &App, call: &Call<'_>) -> Result<Answer, Error> {
    if !app.policy.may_list_rooms(call.user_id().as_deref(), &call.parameter) {
        return Err(Error::NotAllowed("You may only see your own rooms"));
    }
    let mut rooms = Vec::new();
    for row in app.store.rooms_of(&call.parameter).await? {
        let (id, names) = match row {
            RoomRow::Named { id, name } => (id, Json::Arr(vec![Json::Str(name.into())])),
            RoomRow::Private { id, names } => (id, names_json(names)),
            RoomRow::Malformed => return Err(Error::BadRequest),
        };
        let mut room = Object::default();
        room.insert("id", Json::Str(id.into()));
        room.insert("names", names);
        rooms.push(room.into());
    }
    Ok(Answer::ok(&Json::Arr(rooms)))
}
