//! The session layer (`http-and-redis.md` section 6): load, run the route, store before the answer.

use std::time::{SystemTime, UNIX_EPOCH};

use hyper::header::HeaderMap;

use super::error::Error;
use crate::{
    app::App,
    contract::{cookie::new_sid, session::Session},
    js::Json,
    store,
};

/// Who asks.
pub struct Visitor {
    session: Session,
    state: State,
    /// Its cookie was signed with an older secret.
    is_outdated: bool,
}

enum State {
    /// Not stored yet: its id is made when it is.
    New,
    /// Loaded under this id.
    Known(String),
    /// Signed out: nothing is stored.
    Gone,
}

impl Visitor {
    /// Loads the session of the request's cookie, whose life that renews. Without one, or with one
    /// that is gone, the visitor is a new one.
    pub async fn load(app: &App, headers: &HeaderMap) -> Result<Visitor, Error> {
        if let Some((sid, is_outdated)) = app.secrets.signed(headers) {
            let stored = app.store.session_load(&sid).await?;
            if let Some(session) = stored.and_then(|text| Session::parse(&text)) {
                return Ok(Visitor { session, state: State::Known(sid), is_outdated });
            }
        }
        Ok(Visitor { session: Session::fresh(), state: State::New, is_outdated: false })
    }

    /// The user who is signed in.
    pub fn user(&self) -> Option<&Json> {
        self.session.user()
    }

    /// Signs a user in. The session keeps its id.
    pub fn sign_in(&mut self, user: Json) {
        self.session.set_user(user);
    }

    /// Signs out: the session is no more. The browser keeps its cookie, which is good for nothing.
    pub async fn sign_out(&mut self, app: &App) -> store::Result<()> {
        match std::mem::replace(&mut self.state, State::Gone) {
            State::Known(sid) => app.store.session_delete(&sid, None).await,
            State::New | State::Gone => Ok(()),
        }
    }

    /// Stores the session if it is new or was changed. Returns the id to hand out, if it is a new
    /// one or its cookie must be signed anew.
    pub async fn save(self, app: &App) -> store::Result<Option<String>> {
        let outdated = match &self.state {
            State::Known(sid) if self.is_outdated => Some(sid.clone()),
            _ => None,
        };
        Ok(self.store(app).await?.or(outdated))
    }

    /// Returns the id if it is a new one: also when the old one vanished while somebody signed in,
    /// whose log-in must not be lost.
    async fn store(self, app: &App) -> store::Result<Option<String>> {
        if !self.session.must_be_stored() || matches!(self.state, State::Gone) {
            return Ok(None);
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_millis());
        let stored = self.session.stored(u64::try_from(now).unwrap_or(0));
        if let State::Known(sid) = &self.state {
            if stored.seconds == 0 {
                return app.store.session_delete(sid, None).await.map(|()| None);
            }
            let kept = app.store.session_replace(sid, &stored.text, stored.seconds).await?;
            if kept || !self.session.is_changed() {
                return Ok(None);
            }
        }
        let sid = new_sid();
        app.store.session_create(&sid, &stored.text, stored.seconds.max(1)).await?;
        Ok(Some(sid))
    }
}
