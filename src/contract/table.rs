//! The contract as rows, for `--print-contract`: what a suite must have a case for. Rows are made by
//! the code that the server runs on, so that a new route or key is a new row.
//!
//! Sections are `H…` for `http-and-redis.md` and `R…` for `realtime.md`.

use super::{
    cookie::Secrets,
    envelope, events, keys,
    routes::{self, Auth},
    session::Session,
};
use crate::js::{Json, Object};

/// One fact of the wire.
struct Row {
    kind: &'static str,
    name: String,
    section: &'static str,
    /// The fact itself, as far as it is one text.
    text: String,
}

/// All rows as JSON: a list of objects with `id`, `kind`, `section` and `text`.
pub fn to_json() -> String {
    let text = |text: &str| Json::from(text);
    let object = |row: Row| {
        let mut object = Object::default();
        object.insert("id", text(&format!("{} {}", row.kind, row.name)));
        object.insert("kind", text(row.kind));
        object.insert("section", text(row.section));
        object.insert("text", text(&row.text));
        // One row a line.
        Json::from(object).to_text()
    };
    let lines: Vec<String> = rows().into_iter().map(object).collect();
    format!("[\n{}\n]", lines.join(",\n"))
}

fn rows() -> Vec<Row> {
    let mut all = Vec::new();
    let mut add = |kind, name: &str, section, text: String| {
        all.push(Row { kind, name: name.into(), section, text });
    };
    for (method, path, auth) in routes::table() {
        let who = match auth {
            Auth::Open => "everybody",
            Auth::SignedIn => "who is signed in",
        };
        add("route", &format!("{method} {path}"), "H2", format!("for {who}"));
    }
    for (name, key, what) in [
        ("total_users", keys::TOTAL_USERS.into(), "the last user id"),
        ("online_users", keys::ONLINE_USERS.into(), "who is online"),
        ("username", keys::username("<name>"), "the user with a name"),
        ("user", keys::user("<id>"), "name and password of a user"),
        ("user rooms", keys::user_rooms("<id>"), "the rooms of a user"),
        ("room", keys::room("<id>"), "the messages of a room"),
        ("room name", keys::room_name("<id>"), "the name of a room"),
        ("session", keys::session("<sid>"), "a session"),
    ] {
        add("key", name, "H7", format!("{key}: {what}"));
    }
    for (name, section, way) in [
        (events::ROOM_JOIN, "R8.4", "from clients"),
        (events::MESSAGE, "R8.5", "both ways"),
        (events::SHOW_ROOM, "R8.5", "to clients"),
        (events::USER_CONNECTED, "R8.1", "to clients"),
        (events::USER_DISCONNECTED, "R8.6", "to clients"),
    ] {
        add("event", name, section, way.into());
    }
    let sample = envelope::encode("<server>", "<type>", b"<data>");
    let form = String::from_utf8_lossy(&sample).into_owned();
    add("envelope", "form", "H10", format!("{form} on {}", keys::CHANNEL));
    for name in
        [events::MESSAGE, events::SHOW_ROOM, events::USER_CONNECTED, events::USER_DISCONNECTED]
    {
        add("envelope", name, "R9.1", "published, and passed on when another server does".into());
    }
    for name in events::RESERVED {
        add("envelope", &format!("reserved {name}"), "R11", "ignored".into());
    }
    let rules = envelope::RULES.map(|(name, section, text)| ("envelope", name, section, text));
    let cookie = Secrets::new(&["keyboard cat".into()]).set_cookie("<sid>");
    add("cookie", "form", "H6", cookie);
    let rules = rules
        .into_iter()
        .chain(super::cookie::RULES.map(|(name, section, text)| ("cookie", name, section, text)));
    let stored = Session::fresh().stored(0);
    add("session", "form", "H6", format!("{} for {} s", stored.text, stored.seconds));
    let rules = rules
        .chain(super::session::RULES.map(|(name, section, text)| ("session", name, section, text)));
    for (kind, name, section, text) in rules {
        add(kind, name, section, text.into());
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn rows_have_names_of_their_own() {
        let all = rows();
        let ids: HashSet<_> = all.iter().map(|row| (row.kind, row.name.clone())).collect();
        assert_eq!(ids.len(), all.len());
        assert!(all.iter().any(|row| row.name == "GET /room/:/messages"));
        assert!(all.iter().all(|row| row.section.starts_with(['H', 'R']) && !row.text.is_empty()));
    }

    #[test]
    fn the_text_is_json() {
        let Ok(Json::Arr(rows)) = Json::parse(&to_json()) else { panic!("no list") };
        assert!(rows.len() > 40);
    }
}
