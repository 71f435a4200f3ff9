//! The session document, which other servers write too: what is not known survives.

use redis_chat_server::{
    contract::session::{RESERVED, Session},
    js::{Json, Str},
};
use serde::de::IgnoredAny;

const NOW: u64 = 1_600_000_000_000;
const CENTURY: u64 = 36_525 * 86_400;

/// The input as what is stored under a session's key.
pub fn run(data: &[u8]) {
    let Some(mut session) = Session::parse(data) else { return };
    assert!(!session.is_changed());
    let stored = session.stored(NOW);
    assert!(stored.seconds <= CENTURY);
    let text = &stored.text;
    assert!(serde_json::from_str::<IgnoredAny>(text).is_ok(), "{text}");
    let again = Session::parse(text.as_bytes()).expect("what we wrote is a session");
    assert_eq!(again.stored(NOW), stored, "a second writing changes nothing");
    assert_eq!(again.must_be_stored(), session.must_be_stored());
    assert_eq!(again.user().map(Json::to_text), session.user().map(Json::to_text));

    let Ok(Json::Obj(before)) = Json::parse(&String::from_utf8_lossy(data)) else {
        panic!("a session that is no object")
    };
    let kept = |(name, _): &(&Str, &Json)| !RESERVED.iter().any(|reserved| *name == reserved);
    let before: Vec<_> = before.iter().filter(kept).map(texts).collect();
    assert_eq!(fields(text), before, "every field in its place");

    let user = Json::from("somebody");
    session.set_user(user.clone());
    assert_eq!(session.user(), Some(&user));
    assert!(session.is_changed());
    let signed_in = session.stored(NOW);
    assert_eq!(signed_in.seconds, stored.seconds);
    let others = |text| fields(text).into_iter().filter(|(name, _)| name != "\"user\"");
    assert!(others(&signed_in.text).eq(others(text)), "a log-in changes the user alone");
    session.renew();
    // A life of a minute is what a renewal leaves behind; no other is changed by one.
    assert!(stored.seconds == 60 || session.stored(NOW).seconds == stored.seconds);
}

fn fields(text: &str) -> Vec<(String, String)> {
    let Ok(Json::Obj(object)) = Json::parse(text) else { panic!("no object: {text}") };
    object.iter().map(texts).collect()
}

/// A field as text; the cookie, which has rules of its own, only by its name.
fn texts((name, value): (&Str, &Json)) -> (String, String) {
    let value = if *name == "cookie" { String::new() } else { value.to_text() };
    (Json::Str(name.clone()).to_text(), value)
}
