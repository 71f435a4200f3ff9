//! Escapes in addresses, cookies and pages, as the original's libraries write and read them
//! (`http-and-redis.md` sections 1, 3, 4 and 6).

use std::{borrow::Cow, fmt::Write as _};

/// The text of bytes that the original reads as Latin-1: the request target and header values.
pub fn latin1(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.is_ascii() => Cow::Borrowed(text),
        _ => Cow::Owned(bytes.iter().copied().map(char::from).collect()),
    }
}

/// `decodeURIComponent`: `None` where that throws, for a stray `%` and for what is not UTF-8.
pub fn decode_component(text: &str) -> Option<String> {
    if !text.contains('%') {
        return Some(text.to_owned());
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        if *first == b'%' {
            out.push(escaped(tail)?);
            rest = &tail[2..];
        } else {
            out.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(out).ok()
}

/// The byte that two hexadecimal digits stand for.
fn escaped(digits: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(*digits.get(at)?).to_digit(16);
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}

/// `encodeURIComponent`.
pub fn encode_component(text: &str) -> String {
    encode(text, |_, byte| byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte))
}

/// Escapes what may not stand in a URL and leaves the escapes that are there.
pub fn encode_url(text: &str) -> String {
    encode(text, |rest, byte| match byte {
        b'%' => escaped(&rest[1..]).is_some(),
        b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' => false,
        _ => byte.is_ascii_graphic(),
    })
}

fn encode(text: &str, keep: impl Fn(&[u8], u8) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, &byte) in text.as_bytes().iter().enumerate() {
        if keep(&text.as_bytes()[at..], byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String can't fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// Text as it may stand in a page.
pub fn escape_html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(char),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn components_decode_or_fail_as_a_whole() {
        assert_eq!(decode_component("1%3A2").as_deref(), Some("1:2"));
        assert_eq!(decode_component("a%2fb").as_deref(), Some("a/b"));
        for bad in ["%", "%4", "%zz", "%E0%A4%A", "%FF", "%ED%A0%80"] {
            assert_eq!(decode_component(bad), None, "{bad}");
        }
    }

    #[test]
    fn urls_keep_their_escapes() {
        assert_eq!(encode_url("/nope/<b>%20%"), "/nope/%3Cb%3E%20%25");
        assert_eq!(encode_url("/a$&'[x]~é"), "/a$&'[x]~%C3%A9");
        assert_eq!(escape_html("<a href=\"'&"), "&lt;a href=&quot;&#39;&amp;");
    }

    proptest! {
        #[test]
        fn decoding_undoes_encoding(text in ".*") {
            prop_assert_eq!(decode_component(&encode_component(&text)), Some(text));
        }

        #[test]
        fn nothing_panics(text in ".*", bytes in prop::collection::vec(any::<u8>(), 0..50)) {
            decode_component(&text);
            prop_assert!(encode_url(&text).is_ascii());
            decode_component(&latin1(&bytes));
        }
    }
}
