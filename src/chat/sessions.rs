//! What becomes of sockets when their session changes (`http-and-redis.md` section 6): they end with
//! it, on all servers of ours. On the original they go on as who they were.

use std::{
    collections::HashSet,
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::{task::spawn_local, time::sleep};

use super::{Chat, Identity, State};
use crate::{
    contract::{control::Control, session::Session},
    engine::{Key, session::End},
    socketio, store,
};

/// From the farewell to the end of the connection: a client that polls may be between two requests.
const FAREWELL: Duration = Duration::from_secs(1);

impl Chat {
    /// The text that tells the other servers of ours; nothing if there can be none.
    pub fn tell(&self, control: &Control) -> Option<Vec<u8>> {
        self.store.is_shared().then(|| control.encode(&self.server_id))
    }

    /// What another server of ours tells, or this one itself: does what it means for who is here.
    pub fn control(self: &Rc<Self>, control: &Control) {
        let presence = || std::cell::RefMut::map(self.clients.borrow_mut(), |c| &mut c.presence);
        match control {
            Control::SessionEnded { sid } => self.session_changed(sid, None, None),
            Control::SessionRenewed { sid, now, user } => {
                self.session_changed(sid, Some(now), Some(user));
            }
            Control::LeaseBegun { server } => presence().counts(server),
            Control::LeaseEnded { server } => presence().counts_no_more(server),
            Control::OthersGone => presence().others_are_gone(),
            Control::StillHere { user, server } => self.still_here(user, server),
            Control::PresenceRebuilt => {
                presence().others_are_gone();
                let here = presence().here();
                here.iter().for_each(|user| self.put_back(user));
            }
        }
    }

    /// Ends the sockets whose sessions have ended untold: somebody has signed out on a server of the
    /// original, or a log-in was announced while announcements were not heard.
    pub(super) async fn end_lost_sessions(self: &Rc<Self>) -> store::Result<()> {
        let now = Instant::now();
        let sids: HashSet<String> = {
            let clients = self.clients.borrow();
            let watched = clients.by_key.values().filter(|client| {
                matches!((&client.identity, client.state), (Identity::User(_), State::Joined(_)))
                    && client.session_lasts.is_some_and(|until| now < until)
            });
            watched.filter_map(|client| client.session_id.clone()).collect()
        };
        let sids: Vec<String> = sids.into_iter().collect();
        for (sid, user) in self.store.sessions_ended(&sids, renewed_for).await? {
            self.session_changed(&sid, None, user.as_ref());
        }
        Ok(())
    }

    fn session_changed(self: &Rc<Self>, sid: &String, now: Option<&String>, user: Option<&String>) {
        let (mut ended, mut astray) = (Vec::new(), Vec::new());
        for (key, client) in &mut self.clients.borrow_mut().by_key {
            if client.session_id.as_ref() != Some(sid) {
                continue;
            }
            match (&client.identity, now) {
                (Identity::User(known), _) if Some(&known.id) != user => ended.push(*key),
                (Identity::User(_), Some(now)) => client.session_id = Some(now.clone()),
                // One whose session is not known any more; or one that nobody is known on yet, which whoever
                // knew the old id may have opened. A page opens it again, with the new cookie.
                (Identity::User(_), None) | (Identity::Unknown, _) => astray.push(*key),
                (Identity::Anonymous, _) => {}
            }
        }
        for key in ended {
            self.say_farewell(key);
        }
        for key in astray {
            self.engine.end(key, End::Server);
        }
    }

    fn say_farewell(self: &Rc<Self>, key: Key) {
        let joined = {
            let mut clients = self.clients.borrow_mut();
            let Some(client) = clients.by_key.get_mut(&key) else { return };
            client.look_again = true;
            matches!(client.state, State::Joined(_))
        };
        if joined {
            self.engine.send(key, &socketio::disconnected());
        }
        self.leave(key);
        if let Some(client) = self.clients.borrow_mut().by_key.get_mut(&key) {
            client.identity = Identity::Anonymous;
            client.session_id = None;
        }
        let chat = self.clone();
        spawn_local(async move {
            sleep(FAREWELL).await;
            chat.engine.end(key, End::Server);
        });
    }
}

/// The id of the user for whom a session was renewed that left this document.
fn renewed_for(document: &[u8]) -> Option<String> {
    Session::parse(document)?.renewed_for()
}
