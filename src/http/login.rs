//! `POST /login` (`http-and-redis.md` section 2): log in, or register who is not known yet.

use hyper::StatusCode;

use super::{Call, error::Error, respond::Answer};
use crate::{
    app::App,
    js::{Json, Object, Str},
    store::Registration,
};

pub(super) async fn post(app: &App, call: Call<'_>) -> Result<Answer, Error> {
    let (Some(Json::Str(username)), Some(Json::Str(password))) =
        (call.field("username"), call.field("password"))
    else {
        return Err(Error::Invalid("Username and password are required"));
    };
    let (username, name) = (username.clone(), username.to_lossy().into_owned());
    let password = password.to_lossy().into_owned().into_bytes();

    let client = call.visitor.client();
    app.limits.login(client, &name)?;
    let mut login = app.store.find_login(&name).await?;
    if login.is_none() {
        if let Some(most) = app.limits.name_is_over(&name) {
            return Err(Error::LongName(most));
        }
        app.limits.registration(client)?;
        let hash = app.passwords.hash(password.clone()).await?;
        match app.store.create_user(&name, &hash).await? {
            // Ids are far from where a number of JavaScript loses digits.
            Registration::Created(id) => {
                app.limits.signed_in(client, &name);
                return Ok(sign_in(call, StatusCode::CREATED, Json::Num(id as f64), username));
            }
            // Somebody was faster: then it is a log-in with that name.
            Registration::Taken => login = app.store.find_login(&name).await?,
        }
    }
    let login = login.ok_or(Error::Credentials)?;
    let hash = login.password_hash.ok_or(Error::Credentials)?;
    if !app.passwords.verify(password, hash).await? {
        app.limits.login_failed(client, &name);
        return Err(Error::Credentials);
    }
    app.limits.signed_in(client, &name);
    Ok(sign_in(call, StatusCode::OK, login.id.as_str().into(), username))
}

/// The id is a number for who has just registered and a text ever after: both types travel on.
fn sign_in(call: Call<'_>, status: StatusCode, id: Json, username: Str) -> Answer {
    let mut user = Object::default();
    user.insert("id", id);
    user.insert("username", Json::Str(username));
    let user = Json::Obj(user);
    let answer = Answer::json(status, &user);
    call.visitor.sign_in(user);
    answer
}
