//! What becomes of sockets when their session changes (`http-and-redis.md` section 6): they end with
//! it, on all servers of ours. On the original they go on as who they were.

use std::{rc::Rc, time::Duration};

use tokio::{task::spawn_local, time::sleep};

use super::{Chat, Identity, State};
use crate::{
    contract::control::Control,
    engine::{Key, session::End},
    socketio,
};

/// From the farewell to the end of the connection: a client that polls may be between two requests.
const FAREWELL: Duration = Duration::from_secs(1);

impl Chat {
    /// The text that tells the other servers of ours; nothing if there can be none.
    pub fn tell(&self, control: &Control) -> Option<Vec<u8>> {
        self.store.is_shared().then(|| control.encode(&self.server_id))
    }

    /// A message of another server of ours.
    pub fn controlled(self: &Rc<Self>, text: &[u8]) {
        if let Some(control) = Control::decode(text, &self.server_id) {
            self.session_changed(&control);
        }
    }

    /// Does what a change of a session means for its sockets here.
    pub fn session_changed(self: &Rc<Self>, control: &Control) {
        let (sid, now, user) = match control {
            Control::SessionEnded { sid } => (sid, None, None),
            Control::SessionRenewed { sid, now, user } => (sid, Some(now), Some(user)),
        };
        let mut ended = Vec::new();
        for (key, client) in &mut self.clients.borrow_mut().by_key {
            if client.session_id.as_ref() != Some(sid) {
                continue;
            }
            client.session_id = now.cloned();
            match &client.identity {
                Identity::User(known) if Some(&known.id) != user => ended.push(*key),
                // What is being read may be what was before.
                Identity::Unknown => client.look_again = true,
                _ => {}
            }
        }
        for key in ended {
            self.say_farewell(key);
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
