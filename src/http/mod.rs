//! The HTTP side: what the client asks for outside the socket (`http-and-redis.md`).
//!
//! The layers, in order (section 1): [`body`] → [`static_files`] or the built-in [`page`] →
//! [`session`] → the route → the 404 page. So a refused body and a static file never touch the
//! session, and a 403 and a 404 do.

pub mod body;
pub mod conditional;
pub mod connection;
pub mod error;
pub mod long;
pub mod page;
pub mod query;
pub mod respond;
pub mod session;
pub mod stall;
pub mod static_files;

pub mod links;
mod login;
mod logout;
mod me;
mod messages;
mod randomname;
mod room;
mod rooms;
mod users;

use std::{borrow::Cow, net::IpAddr, rc::Rc};

use hyper::{
    Request, Response, Uri,
    body::Incoming,
    header::{ALLOW, HeaderName, HeaderValue, SET_COOKIE},
    http::request::Parts,
};

use self::{
    error::{Abort, Error},
    respond::{Answer, Body},
    session::Visitor,
};
use crate::{
    app::App,
    chat::user::id_of,
    contract::{
        routes::{self, Auth, Match, Route},
        uri::latin1,
    },
    js::Json,
    store::StoreError,
};

/// Where a request goes, undecoded.
pub struct Target<'a> {
    /// The path.
    pub path: Cow<'a, str>,
    /// What stands behind the `?`, if there is one.
    pub query: Option<&'a str>,
}

impl Target<'_> {
    fn of(uri: &Uri) -> Target<'_> {
        Target { path: latin1(uri.path().as_bytes()), query: uri.query() }
    }
}

/// What a handler is given.
struct Call<'a> {
    visitor: &'a mut Visitor,
    /// The parameter in the path, decoded; empty if the route has none.
    parameter: String,
    query: &'a str,
    body: Json,
}

impl Call<'_> {
    /// A field of the body.
    fn field(&self, name: &str) -> Option<&Json> {
        match &self.body {
            Json::Obj(fields) => fields.get(name),
            _ => None,
        }
    }

    /// The user who is signed in, on routes that ask for one.
    fn user(&self) -> &Json {
        self.visitor.user().unwrap_or(&Json::Null)
    }

    /// Their id as text, if they have a usable one.
    fn user_id(&self) -> Option<String> {
        id_of(self.user())
    }
}

/// Answers a request of a client that is not for `/socket.io/`.
///
/// # Errors
/// None so far.
pub async fn handle(
    app: Rc<App>,
    request: Request<Incoming>,
    client: IpAddr,
) -> Result<Response<Body>, Abort> {
    let (request, incoming) = request.into_parts();
    let response = layers(&app, &request, incoming, client).await;
    let mut response = response.unwrap_or_else(|why| {
        why.log(&request.method, request.uri.path(), &app.unserved);
        why.answer().send(&request)
    });
    let name = HeaderName::from_static("x-powered-by");
    response.headers_mut().insert(name, HeaderValue::from_static("Express"));
    Ok(response)
}

async fn layers(
    app: &App,
    request: &Parts,
    incoming: Incoming,
    client: IpAddr,
) -> Result<Response<Body>, Error> {
    let target = Target::of(&request.uri);
    let body = body::read(&request.headers, incoming, app.engine.unfinished()).await?;
    let file = match &app.files {
        Some(files) => static_files::find(files, request, &target).await?,
        None => page::find(request, &target),
    };
    if let Some(file) = file {
        return Ok(file);
    }
    let mut visitor = Visitor::load(app, &request.headers, client).await?;
    let answer = answer(app, request, &target, &mut visitor, body).await;
    let answer = match answer.and_then(|answer| answer.counted(&app.long)) {
        Ok(answer) => answer,
        // Then the session can't be stored either, or is none that a limit bounds.
        Err(why @ (Error::Store(StoreError::Unavailable(_)) | Error::Over(_))) => return Err(why),
        Err(why) => {
            why.log(&request.method, request.uri.path(), &app.unserved);
            why.answer()
        }
    };
    // Stored before the answer goes out: who has it may ask another server at once.
    let answer = match visitor.save(app).await? {
        Some(sid) => answer.header(SET_COOKIE, app.secrets.set_cookie(&sid)),
        None => answer,
    };
    Ok(answer.send(request))
}

async fn answer(
    app: &App,
    request: &Parts,
    target: &Target<'_>,
    visitor: &mut Visitor,
    body: Json,
) -> Result<Answer, Error> {
    match routes::find(&request.method, &target.path) {
        Match::Route(_, Auth::SignedIn, _) if visitor.user().is_none() => Err(Error::Forbidden),
        Match::Route(route, _, parameter) => {
            let query = target.query.map_or(Cow::Borrowed(""), |query| latin1(query.as_bytes()));
            run(app, route, Call { visitor, parameter, query: &query, body }).await
        }
        Match::Options(methods) => Ok(Answer::text(methods).header(ALLOW, methods)),
        Match::Undecodable => Err(Error::Invalid("The path can't be decoded")),
        Match::None => Ok(Answer::no_such_page(&request.method, &target.path)),
    }
}

async fn run(app: &App, route: Route, call: Call<'_>) -> Result<Answer, Error> {
    match route {
        Route::Links => Ok(links::get(app)),
        Route::RandomName => Ok(randomname::get()),
        Route::Me => Ok(me::get(&call)),
        Route::Login => login::post(app, call).await,
        Route::Logout => logout::post(app, call).await,
        Route::Room => room::post(app, &call).await,
        Route::Preload => messages::preload(app).await,
        Route::Messages => messages::get(app, &call).await,
        Route::UsersOnline => users::online(app).await,
        Route::Users => users::get(app, &call).await,
        Route::Rooms => rooms::get(app, &call).await,
    }
}
