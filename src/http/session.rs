//! The session layer (`http-and-redis.md` section 6): load, run the route, store before the answer.

use std::{
    net::IpAddr,
    time::{SystemTime, UNIX_EPOCH},
};

use hyper::header::HeaderMap;

use super::error::Error;
use crate::{
    app::App,
    chat::user::id_of,
    contract::{control::Control, cookie::new_sid, session::Session},
    js::Json,
    store::{self, Renewal, StoreError},
};

/// Who asks.
pub struct Visitor {
    session: Session,
    state: State,
    /// Its cookie was signed with an older secret.
    is_outdated: bool,
    /// Somebody signed in with this request.
    signed_in: bool,
    client: IpAddr,
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
    /// that is gone, the visitor is a new one. `client` is the address that asks.
    pub async fn load(app: &App, headers: &HeaderMap, client: IpAddr) -> Result<Visitor, Error> {
        if let Some((sid, is_outdated)) = app.secrets.signed(headers) {
            let stored = app.store.session_load(&sid).await?;
            if let Some(session) = stored.and_then(|text| Session::parse(&text)) {
                let state = State::Known(sid);
                return Ok(Visitor { session, state, is_outdated, signed_in: false, client });
            }
        }
        let (session, state) = (Session::fresh(), State::New);
        Ok(Visitor { session, state, is_outdated: false, signed_in: false, client })
    }

    /// The address that asks.
    pub fn client(&self) -> IpAddr {
        self.client
    }

    /// The user who is signed in.
    pub fn user(&self) -> Option<&Json> {
        self.session.user()
    }

    /// Signs a user in.
    pub fn sign_in(&mut self, user: Json) {
        self.session.set_user(user);
        self.signed_in = true;
    }

    /// Signs out: the session is no more, and so are its sockets. The browser keeps its cookie, which
    /// is good for nothing.
    pub async fn sign_out(&mut self, app: &App) -> store::Result<()> {
        let State::Known(sid) = std::mem::replace(&mut self.state, State::Gone) else {
            return Ok(());
        };
        if !app.policy.ends_sockets() {
            return app.store.session_delete(&sid, None).await;
        }
        let ended = Control::SessionEnded { sid: sid.clone() };
        app.store.session_delete(&sid, app.chat.tell(&ended)).await?;
        app.chat.control(&ended);
        Ok(())
    }

    /// Stores the session if it is new or was changed. Returns the id to hand out, if it is a new
    /// one or its cookie must be signed anew. What the store refuses of somebody who did not sign in
    /// is left out, since it would hold nothing new: so whoever reads is served while nothing can be written.
    pub async fn save(self, app: &App) -> store::Result<Option<String>> {
        let outdated = match &self.state {
            State::Known(sid) if self.is_outdated => Some(sid.clone()),
            _ => None,
        };
        let signed_in = self.signed_in;
        match self.store(app).await {
            Err(StoreError::Refused(why)) if !signed_in => {
                if let Some(so_far) = app.unstored.note() {
                    tracing::warn!(why, so_far, "a session is left out: the store refuses it");
                }
                Ok(outdated)
            }
            stored => Ok(stored?.or(outdated)),
        }
    }

    /// Returns the id if it is a new one: also when the old one vanished while somebody signed in,
    /// whose log-in must not be lost.
    async fn store(mut self, app: &App) -> store::Result<Option<String>> {
        if !self.session.must_be_stored() || matches!(self.state, State::Gone) {
            return Ok(None);
        }
        // What nobody is signed in with holds nothing: the answer is the same without it.
        let is_idle = matches!(self.state, State::New) && !self.signed_in;
        if is_idle && !app.limits.may_make_session(self.client) {
            return Ok(None);
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_millis());
        let now = u64::try_from(now).unwrap_or(0);
        if self.signed_in && app.policy.renews_sessions() {
            match std::mem::replace(&mut self.state, State::New) {
                State::Known(sid) => return self.renew(app, sid, now).await.map(Some),
                other => self.state = other,
            }
        }
        let stored = self.session.stored(now);
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

    /// Gives the session of somebody who signed in a new id, so that nobody who knew the old one is
    /// signed in with them. Sockets of whoever was signed in before end.
    async fn renew(mut self, app: &App, old_sid: String, now: u64) -> store::Result<String> {
        self.session.renew();
        let mut document = self.session.stored(now);
        document.seconds = document.seconds.max(1);
        let sid = new_sid();
        let user = self.session.user().and_then(id_of).unwrap_or_default();
        let old_document = Session::leftover(now, &user);
        let renewed = Control::SessionRenewed { sid: old_sid.clone(), now: sid.clone(), user };
        let tell = app.chat.tell(&renewed);
        let renewal = Renewal { sid: sid.clone(), document, old_sid, old_document, tell };
        app.store.session_renew(renewal).await?;
        app.chat.control(&renewed);
        Ok(sid)
    }
}
