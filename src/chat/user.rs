//! The user of a socket, and what presence says of one (`realtime.md` sections 8.1, 8.2, 8.6).

use crate::js::{self, Json, Object};

/// A signed-in user, as the session had one when the socket connected.
#[derive(Debug, PartialEq)]
pub struct User {
    /// The id as text, as the online set has it.
    pub id: String,
    document: Object,
}

/// The id of a session's user as text, if it is a usable one.
pub fn id_of(user: &Json) -> Option<String> {
    let Json::Obj(document) = user else { return None };
    match document.get("id") {
        Some(id @ (Json::Str(_) | Json::Num(_))) => {
            Some(js::to_js_string(id).to_lossy().into_owned())
        }
        _ => None,
    }
}

impl User {
    /// The user of a session document. `None` if there is none, or none with a usable id.
    pub fn of(user: Option<&Json>) -> Option<User> {
        let id = id_of(user?)?;
        let Some(Json::Obj(document)) = user else { return None };
        Some(User { id, document: document.clone() })
    }

    /// The data of `user.connected` and `user.disconnected`: all fields of the session's user, and
    /// `online` last unless it stands among them already.
    pub fn presence(&self, online: bool) -> Vec<u8> {
        let mut document = self.document.clone();
        document.insert("online", Json::Bool(online));
        let mut out = Vec::new();
        Json::Obj(document).write(&mut out);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(text: &str) -> Option<User> {
        User::of(Some(&Json::parse(text).unwrap()))
    }

    #[test]
    fn presence_keeps_fields_and_types() {
        let zoe = user(r#"{"id":6,"username":"zoe"}"#).unwrap();
        assert_eq!(zoe.presence(true), br#"{"id":6,"username":"zoe","online":true}"#);
        let joe = user(r#"{"online":1,"id":"2","username":"Joe","x":[1]}"#).unwrap();
        assert_eq!(joe.presence(false), br#"{"online":false,"id":"2","username":"Joe","x":[1]}"#);
        assert_eq!(joe.id, "2");
    }

    #[test]
    fn without_an_id_nobody_is_there() {
        for text in ["null", "\"bob\"", "{}", r#"{"id":null}"#, r#"{"id":{}}"#] {
            assert_eq!(user(text), None, "{text}");
        }
    }
}
