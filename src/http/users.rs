//! `GET /users` and `GET /users/online` (`http-and-redis.md` section 2).

use super::{
    Call,
    error::Error,
    query::{self, Item, Value},
    respond::Answer,
};
use crate::{
    app::App,
    js::{Json, Str},
    store::User,
};

/// The users that were asked for. Unknown ones are left out: an error would leave the client
/// without its messages.
pub(super) async fn get(app: &App, call: &Call<'_>) -> Result<Answer, Error> {
    let Some(Value::List(items)) = query::value(call.query, "ids") else {
        return Err(Error::NotFound);
    };
    // An array within the array is refused; no client sends one.
    let text = |item| if let Item::Text(id) = item { Some(id) } else { None };
    let ids: Option<Vec<String>> = items.into_iter().map(text).collect();
    let ids = ids.ok_or(Error::NotFound)?;
    let found = app.store.users(&ids).await?;
    let known = ids.into_iter().zip(found).filter_map(|(id, user)| Some((id, user?)));
    Ok(Answer::ok(&by_id(known)))
}

/// Who is online.
pub(super) async fn online(app: &App) -> Result<Answer, Error> {
    let online = app.store.online_users().await?;
    Ok(Answer::ok(&by_id(online.into_iter())))
}

/// `{"1":{"id":"1","username":"Pablo","online":true},…}`
fn by_id(users: impl Iterator<Item = (String, User)>) -> Json {
    let entry = |(id, found): (String, User)| {
        let id = Str::from(id);
        let name = found.username.map(|name| (Str::from("username"), Json::Str(name.into())));
        let first = (Str::from("id"), Json::Str(id.clone()));
        let last = (Str::from("online"), Json::Bool(found.online));
        let user = [Some(first), name, Some(last)].into_iter().flatten().collect();
        (id, Json::Obj(user))
    };
    Json::Obj(users.map(entry).collect())
}
