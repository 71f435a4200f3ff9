//! The session cookie: what is signed here is accepted, nothing else is.

use hyper::header::{COOKIE, HeaderMap, HeaderValue};
use redis_chat_server::contract::{
    cookie::Secrets,
    uri::{decode_component, encode_component, latin1},
};

/// As the original's; the corpus holds cookies that are signed with it.
pub const SECRET: &str = "keyboard cat";
const OLD: &str = "an older one";

/// The lines of the input as `Cookie` headers, and the input as a session id.
pub fn run(data: &[u8]) {
    let ours = secrets(&[SECRET, OLD]);
    header(data, &ours);
    let sid = String::from_utf8_lossy(data);
    if !sid.is_empty() {
        signed_here(&sid, &ours);
        changed(data, &sid, &ours);
    }
}

/// The `Cookie` headers that the input stands for: one a line.
pub fn headers(data: &[u8]) -> HeaderMap {
    let lines = data.split(|byte| *byte == b'\n').filter_map(|l| HeaderValue::from_bytes(l).ok());
    lines.map(|line| (COOKIE, line)).collect()
}

fn secrets(list: &[&str]) -> Secrets {
    Secrets::new(&list.iter().map(|secret| (*secret).to_owned()).collect::<Vec<_>>())
}

fn header(data: &[u8], ours: &Secrets) {
    let headers = headers(data);
    let found = ours.signed(&headers);
    assert_eq!(ours.sid(&headers), found.clone().map(|(sid, _)| sid));
    assert_eq!(secrets(&["another"]).sid(&headers), None, "signed by nobody we know");
    // Cookies of other names beside it change nothing, in the same header or before it.
    let mut beside = HeaderMap::new();
    beside.append(COOKIE, HeaderValue::from_static("a=b; c"));
    beside.extend(headers.get_all(COOKIE).iter().map(|line| (COOKIE, line.clone())));
    beside.append(COOKIE, HeaderValue::from_static("d=e"));
    // Unless the last line breaks off within the value: then that goes on behind the join.
    let ends = headers.iter().all(|(_, line)| line.as_bytes().contains(&b'='));
    if ends {
        assert_eq!(ours.signed(&beside), found);
    }
    let Some((sid, again)) = found else { return };
    assert!(!sid.is_empty());
    let by = secrets(&[if again { OLD } else { SECRET }]);
    let right = by.set_cookie(&sid);
    let value = right.split(['=', ';']).nth(1).expect("a value");
    let value = decode_component(value).expect("our own escapes");
    let shown = headers.iter().any(|(_, line)| {
        let text = latin1(line.as_bytes());
        // Escapes may be partial, and what is no escape keeps the text from being decoded at all.
        text.split([';', '=', '"', ' ', '\t'])
            .any(|part| decode_component(part).as_deref() == Some(&value) || part == value)
            || decode_component(&text).unwrap_or(text.into_owned()).contains(&value)
    });
    assert!(shown, "{value} was accepted and is not in {headers:?}");
}

fn signed_here(sid: &str, ours: &Secrets) {
    let cookie = ours.set_cookie(sid);
    assert!(cookie.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' '), "{cookie}");
    // A signature has 43 characters; an escape takes three for one byte.
    assert!(cookie.len() <= 3 * (sid.len() + 46) + "connect.sid=; Path=/; HttpOnly".len());
    assert_eq!(read(ours, &cookie), Some((sid.to_owned(), false)));
    assert_eq!(read(&secrets(&[OLD, SECRET]), &cookie), Some((sid.to_owned(), true)));
    assert_eq!(read(&secrets(&[OLD]), &cookie), None);
}

/// One character of a signed value is another one: not accepted.
fn changed(data: &[u8], sid: &str, ours: &Secrets) {
    let cookie = ours.set_cookie(sid);
    let value = cookie.split(['=', ';']).nth(1).and_then(decode_component).expect("a value");
    let mut chars: Vec<char> = value.chars().collect();
    let place = data.iter().fold(0usize, |all, byte| all * 31 % 65_521 + usize::from(*byte));
    let place = place % chars.len();
    let other = char::from(data[0] & 0x7f);
    if chars[place] == other {
        chars.remove(place);
    } else {
        chars[place] = other;
    }
    let forged: String = chars.into_iter().collect();
    if forged != value {
        let line = format!("connect.sid={}", encode_component(&forged));
        assert_eq!(read(ours, &line), None, "{forged} instead of {value}");
    }
}

fn read(secrets: &Secrets, cookie: &str) -> Option<(String, bool)> {
    let mut headers = HeaderMap::new();
    headers.insert(COOKIE, cookie.parse().expect("a header value"));
    secrets.signed(&headers)
}
