//! What servers of ours tell one another on a channel of their own, in the form of the envelopes that
//! they share with Node servers. None of it is ever a client's event.

use super::envelope::{self, Foreign, Incoming};
use crate::js::{Json, Object};

const ENDED: &str = "session.ended";
const RENEWED: &str = "session.renewed";
const LEASE_BEGUN: &str = "lease.begun";
const LEASE_ENDED: &str = "lease.ended";
const OTHERS_GONE: &str = "others.gone";
const REBUILT: &str = "presence.rebuilt";
const STILL_HERE: &str = "user.still.here";

/// What one server of ours tells the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Control {
    /// Its user signed out.
    SessionEnded {
        /// Its id.
        sid: String,
    },
    /// A user signed in; the session goes on under another id.
    SessionRenewed {
        /// The id that it had.
        sid: String,
        /// The id that it has now.
        now: String,
        /// The user's id.
        user: String,
    },
    /// A server holds a lease from now on, and counts.
    LeaseBegun {
        /// Its name in announcements.
        server: String,
    },
    /// A server holds no lease any more.
    LeaseEnded {
        /// Its name in announcements.
        server: String,
    },
    /// There are no servers without a lease any more, such as the original's.
    OthersGone,
    /// There are no servers without a lease any more, and the online set is what the leases say.
    PresenceRebuilt,
    /// A user of whom it was announced that they left has sockets on a server. It is sent in nobody's name, since
    /// the server itself must hear it too, behind all that was announced before.
    StillHere {
        /// The user's id.
        user: String,
        /// The server's name in announcements.
        server: String,
    },
}

impl Control {
    /// The text for the channel.
    pub fn encode(&self, server_id: &str) -> Vec<u8> {
        let mut data = Object::default();
        let mut set = |name: &str, text: &str| data.insert(name, Json::from(text));
        let event = match self {
            Control::SessionEnded { sid } => {
                set("sid", sid);
                ENDED
            }
            Control::SessionRenewed { sid, now, user } => {
                set("sid", sid);
                set("now", now);
                set("user", user);
                RENEWED
            }
            Control::LeaseBegun { server } => {
                set("server", server);
                LEASE_BEGUN
            }
            Control::LeaseEnded { server } => {
                set("server", server);
                LEASE_ENDED
            }
            Control::OthersGone => OTHERS_GONE,
            Control::PresenceRebuilt => REBUILT,
            Control::StillHere { user, server } => {
                set("user", user);
                set("server", server);
                STILL_HERE
            }
        };
        envelope::encode(server_id, event, Json::from(data).to_text().as_bytes())
    }

    /// Whether it is about who is online, so that its place among the announcements of users matters.
    pub fn is_of_presence(&self) -> bool {
        !matches!(self, Control::SessionEnded { .. } | Control::SessionRenewed { .. })
    }

    /// Reads a text from the channel. `None` if it is our own, or of a newer server that knows more.
    pub fn decode(text: &[u8], own: &str) -> Option<Control> {
        let Incoming::Foreign(Foreign { event, data: Json::Obj(data), .. }) =
            envelope::decode(text, own)
        else {
            return None;
        };
        let text = |name| match data.get(name) {
            Some(Json::Str(text)) => Some(text.to_lossy().into_owned()),
            _ => None,
        };
        Some(match &*event {
            ENDED => Control::SessionEnded { sid: text("sid")? },
            RENEWED => Control::SessionRenewed {
                sid: text("sid")?,
                now: text("now")?,
                user: text("user")?,
            },
            LEASE_BEGUN => Control::LeaseBegun { server: text("server")? },
            LEASE_ENDED => Control::LeaseEnded { server: text("server")? },
            OTHERS_GONE => Control::OthersGone,
            REBUILT => Control::PresenceRebuilt,
            STILL_HERE => Control::StillHere { user: text("user")?, server: text("server")? },
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let (sid, now, user) = ("a\"b".to_owned(), "c".to_owned(), "1".to_owned());
        let server = "10.0.0.7:4000".to_owned();
        for control in [
            Control::SessionEnded { sid: sid.clone() },
            Control::SessionRenewed { sid, now, user },
            Control::LeaseBegun { server: server.clone() },
            Control::LeaseEnded { server },
            Control::OthersGone,
            Control::PresenceRebuilt,
        ] {
            let text = control.encode("10.0.0.5:4000");
            assert_eq!(Control::decode(&text, "10.0.0.6:4000"), Some(control));
            assert_eq!(Control::decode(&text, "10.0.0.5:4000"), None);
        }
    }

    #[test]
    fn who_is_still_here_is_heard_by_its_own_server_too() {
        let (user, server) = ("1".to_owned(), "10.0.0.5:4000".to_owned());
        let control = Control::StillHere { user, server };
        assert_eq!(Control::decode(&control.encode(""), "10.0.0.5:4000"), Some(control));
    }

    #[test]
    fn what_is_not_understood_is_ignored() {
        for text in [
            "",
            "null",
            r#"{"type":"session.ended"}"#,
            r#"{"type":"session.ended","data":{"sid":5}}"#,
            r#"{"type":"session.renewed","data":{"sid":"a","now":"b"}}"#,
            r#"{"type":"lease.begun","data":{}}"#,
            r#"{"type":"later","data":{"sid":"a"}}"#,
        ] {
            assert_eq!(Control::decode(text.as_bytes(), "me"), None, "{text}");
        }
    }
}
