use super::*;

const EXACT: Policy = Policy { safe: false };
const SAFE: Policy = Policy { safe: true };

fn json(text: &str) -> Json {
    Json::parse(text).unwrap()
}

fn user(id: &str) -> User {
    User::of(Some(&json(&format!(r#"{{"id":{id},"username":"x"}}"#)))).unwrap()
}

fn message(from: &str) -> Message {
    let text = format!(r#"{{"roomId":"0","message":"x","from":{from},"date":1}}"#);
    Message::check(Some(json(&text))).unwrap()
}

#[test]
fn canonical_private_rooms() {
    for (room, expected) in [
        ("1:2", Some(["1", "2"])),
        ("9:10", Some(["9", "10"])),
        ("0:18446744073709551615", Some(["0", "18446744073709551615"])),
        ("0", None),
        ("", None),
        (":", None),
        ("2:1", None),
        ("10:9", None),
        ("1:1", None),
        ("1:", None),
        (":2", None),
        ("1:2:3", None),
        ("01:2", None),
        ("+1:2", None),
        ("-1:2", None),
        (" 1:2", None),
        ("1:2\n", None),
        ("1.0:2", None),
        ("1:1e3", None),
        ("1:18446744073709551616", None),
        ("１:２", None),
    ] {
        assert_eq!(members(room), expected, "{room:?}");
    }
}

#[test]
fn rooms_are_for_their_members() {
    use Access::*;
    for (user, room, safe) in [
        (Some("1"), "1:2", Allowed),
        (Some("2"), "1:2", Allowed),
        (Some("3"), "1:2", IfListed),
        (Some("1"), "2:1", IfListed),
        (Some("1"), "1:1", IfListed),
        (Some("1"), "01:2", IfListed),
        (Some("1"), "0", IfListed),
        (Some("1"), "", IfListed),
        (Some(""), ":2", IfListed),
        (Some("undefined"), "undefined", IfListed),
        (None, "0", Refused),
        (None, "1:2", Refused),
    ] {
        assert_eq!(SAFE.room(user, room), safe, "{user:?} in {room:?}");
        assert_eq!(EXACT.room(user, room), Allowed, "{user:?} in {room:?}");
    }
}

#[test]
fn only_ones_own_rooms_are_listed_and_made() {
    for (user, of, own) in [
        (Some("1"), "1", true),
        (Some("1"), "2", false),
        (Some("1"), "01", false),
        (Some("1"), "", false),
        (None, "1", false),
    ] {
        assert_eq!(SAFE.may_list_rooms(user, of), own, "{user:?} {of:?}");
        assert_eq!(SAFE.may_create_room(user, [of, "7"]), own, "{user:?} {of:?}");
        assert_eq!(SAFE.may_create_room(user, ["7", of]), own, "{user:?} {of:?}");
        assert!(EXACT.may_list_rooms(user, of) && EXACT.may_create_room(user, [of, "7"]));
    }
    assert!(SAFE.room_needs_both() && !EXACT.room_needs_both());
}

#[test]
fn nobody_speaks_for_another() {
    for (id, from, own) in [
        ("1", "1", true),
        ("1", "\"1\"", true),
        ("\"1\"", "1", true),
        ("1", "1.0", true),
        ("1", "2", false),
        ("1", "\"01\"", false),
        ("1", "\" 1\"", false),
        ("1", "\"\"", false),
        ("1", "true", false),
        ("1", "[1]", false),
        ("1", "[1,2]", false),
        ("1", "[\"1\",\"1\"]", false),
    ] {
        assert_eq!(SAFE.may_send_as(&user(id), &message(from)), own, "{from} by {id}");
        assert!(EXACT.may_send_as(&user(id), &message(from)), "{from} by {id}");
    }
}

#[test]
fn who_hears_what_other_servers_announce() {
    let room = |id: &str| Audience::Room(Str::from(id));
    let users = |a: &str, b: &str| Audience::Users([a.into(), b.into()]);
    for (event, data, safe) in [
        ("user.connected", r#"{"id":1}"#, Some(Audience::Everyone)),
        ("user.disconnected", "null", Some(Audience::Everyone)),
        ("message", r#"{"roomId":"1:2","message":"x"}"#, Some(room("1:2"))),
        ("message", r#"{"roomId":0}"#, Some(room("0"))),
        ("message", r#"{"roomId":["0"]}"#, Some(room("0"))),
        ("message", r#"{"roomId":null}"#, None),
        ("message", "{}", None),
        ("message", "\"x\"", None),
        ("show.room", r#"{"id":"1:2","names":[["a"],["b"]]}"#, Some(users("1", "2"))),
        ("show.room", r#"{"id":"2:1"}"#, None),
        ("show.room", r#"{"id":"0"}"#, None),
        ("show.room", r#"{"id":5}"#, None),
        ("show.room", "null", None),
        ("news", r#"{"roomId":"0"}"#, None),
        ("", "null", None),
    ] {
        let found = SAFE.audience_of_foreign(event, &json(data));
        match safe {
            Some(expected) => assert_eq!(found, expected, "{event} {data}"),
            None => assert!(matches!(found, Audience::Nobody(_)), "{event} {data}: {found:?}"),
        }
        assert_eq!(EXACT.audience_of_foreign(event, &json(data)), Audience::Everyone);
    }
    assert!(SAFE.hears(true) && !SAFE.hears(false) && EXACT.hears(false));
}

#[test]
fn who_does_not_join_is_kept_as_long_as_the_original_does_or_a_setting_says() {
    let seconds = Duration::from_secs;
    assert_eq!(EXACT.connect_timeout(None), seconds(45));
    assert_eq!(SAFE.connect_timeout(None), seconds(25));
    assert_eq!(SAFE.connect_timeout(Some(seconds(7))), seconds(7));
}

#[test]
fn cookies_have_attributes() {
    assert_eq!(EXACT.cookie_attributes(true), "; Path=/; HttpOnly");
    assert_eq!(EXACT.cookie_attributes(false), "; Path=/; HttpOnly");
    assert_eq!(SAFE.cookie_attributes(false), "; Path=/; HttpOnly; SameSite=Lax");
    assert_eq!(SAFE.cookie_attributes(true), "; Path=/; HttpOnly; Secure; SameSite=Lax");
}
