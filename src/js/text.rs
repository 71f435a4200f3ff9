//! JavaScript strings and the writer: `JSON.stringify` without spaces.

use super::json::Json;
use super::number::write_number;
use smallvec::SmallVec;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// A JavaScript string.
///
/// JavaScript strings are sequences of UTF-16 units, so they may hold half a surrogate pair, which no
/// Rust `str` can. The bytes here are WTF-8: UTF-8, plus the three bytes `ED A0..BF 80..BF` for a
/// surrogate without its partner. A whole pair is always one four-byte character, so equal strings have
/// equal bytes.
///
/// Up to 16 bytes stand in the value itself: nearly all keys and ids do, and so cost no allocation.
#[derive(Default, PartialEq, Eq, Hash)]
pub struct Str(SmallVec<[u8; 16]>);

impl Str {
    /// Wraps bytes that are WTF-8 by construction. Private to the module: everything outside starts from
    /// a `str`, which is what keeps [`Json::to_text`] from meeting other bytes.
    pub(super) fn from_wtf8(bytes: &[u8]) -> Self {
        Self(SmallVec::from_slice(bytes))
    }

    /// The WTF-8 bytes; plain UTF-8 unless there are lone surrogates.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text, or `None` if it holds a lone surrogate. Checks the whole text each time.
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// The text with U+FFFD for every lone surrogate: what Node.js puts on a socket when it encodes the
    /// string as UTF-8 (Redis keys and arguments, room names).
    pub fn to_lossy(&self) -> Cow<'_, str> {
        let mut rest: &[u8] = &self.0;
        let mut out = String::new();
        loop {
            match std::str::from_utf8(rest) {
                Ok(text) if out.is_empty() && rest.len() == self.0.len() => {
                    return Cow::Borrowed(text);
                }
                Ok(text) => {
                    out.push_str(text);
                    return Cow::Owned(out);
                }
                Err(error) => {
                    let (good, bad) = rest.split_at(error.valid_up_to());
                    out.push_str(std::str::from_utf8(good).unwrap_or_default());
                    out.push(char::REPLACEMENT_CHARACTER);
                    // In WTF-8 the only thing that is not UTF-8 is a surrogate, of three bytes.
                    rest = bad.get(3..).unwrap_or_default();
                }
            }
        }
    }
}

impl From<&str> for Str {
    fn from(text: &str) -> Self {
        Self::from_wtf8(text.as_bytes())
    }
}

impl From<String> for Str {
    fn from(text: String) -> Self {
        Self(SmallVec::from_vec(text.into_bytes()))
    }
}

impl Clone for Str {
    fn clone(&self) -> Self {
        // What is derived copies byte by byte.
        Self::from_wtf8(&self.0)
    }
}

impl PartialEq<str> for Str {
    fn eq(&self, other: &str) -> bool {
        *self.0 == *other.as_bytes()
    }
}

impl PartialEq<&str> for Str {
    fn eq(&self, other: &&str) -> bool {
        *self == **other
    }
}

impl fmt::Debug for Str {
    /// As the JSON string, so that a lone surrogate can be told from U+FFFD.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::new();
        write_str(self, &mut out);
        f.write_str(&String::from_utf8_lossy(&out))
    }
}

/// Appends a code point, surrogates included, to WTF-8 bytes. The caller joins pairs.
pub(super) fn push_code_point(code: u32, out: &mut Vec<u8>) {
    match char::from_u32(code) {
        Some(char) => out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
        None => {
            let [.., high, low] = code.to_be_bytes();
            out.push(0xe0 | high >> 4);
            out.push(0x80 | (high & 0x0f) << 2 | low >> 6);
            out.push(0x80 | low & 0x3f);
        }
    }
}

/// Whether a byte cannot stand in a JSON string as it is.
pub(super) fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// The first byte of every encoded surrogate (and of U+D000 to U+D7FF, which are ordinary characters).
const SURROGATE_LEAD: u8 = 0xed;

/// How many bytes at the start of `bytes` are not `special`.
///
/// Most of a message is plain, and both parser and writer pass all of it through here; blocks of
/// constant size and without an early exit are what the compiler turns into vector instructions.
pub(super) fn plain_len(bytes: &[u8], special: impl Fn(u8) -> bool + Copy) -> usize {
    let mut len = 0;
    while let Some(block) = bytes[len..].first_chunk::<16>() {
        if block.iter().fold(false, |hit, &byte| hit | special(byte)) {
            break;
        }
        len += block.len();
    }
    len + bytes[len..].iter().take_while(|&&byte| !special(byte)).count()
}

/// Appends `text` as a JSON string, quotes included.
pub fn write_string(text: &str, out: &mut Vec<u8>) {
    write_escaped(text.as_bytes(), is_special, out);
}

fn write_str(text: &Str, out: &mut Vec<u8>) {
    write_escaped(text.as_bytes(), |byte| is_special(byte) | (byte == SURROGATE_LEAD), out);
}

/// `special` says at which bytes the copying of runs has to stop for a look.
fn write_escaped(bytes: &[u8], special: impl Fn(u8) -> bool + Copy, out: &mut Vec<u8>) {
    let mut rest = bytes;
    out.reserve(rest.len() + 2);
    out.push(b'"');
    loop {
        let (plain, tail) = rest.split_at(plain_len(rest, special));
        out.extend_from_slice(plain);
        rest = match tail {
            [] => break,
            // Well-formed JSON.stringify (ES2019): lone surrogates are escaped, so the text is UTF-8.
            [SURROGATE_LEAD, high @ 0xa0..=0xbf, low, tail @ ..] => {
                push_unicode_escape(
                    0xd000 | u16::from(high & 0x3f) << 6 | u16::from(low & 0x3f),
                    out,
                );
                tail
            }
            [byte, tail @ ..] => {
                match byte {
                    b'"' => out.extend_from_slice(b"\\\""),
                    b'\\' => out.extend_from_slice(b"\\\\"),
                    0x08 => out.extend_from_slice(b"\\b"),
                    0x0c => out.extend_from_slice(b"\\f"),
                    b'\n' => out.extend_from_slice(b"\\n"),
                    b'\r' => out.extend_from_slice(b"\\r"),
                    b'\t' => out.extend_from_slice(b"\\t"),
                    0x00..0x20 => push_unicode_escape(u16::from(*byte), out),
                    _ => out.push(*byte),
                }
                tail
            }
        };
    }
    out.push(b'"');
}

fn push_unicode_escape(unit: u16, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\\u");
    for shift in [12, 8, 4, 0] {
        out.push(b"0123456789abcdef"[usize::from(unit >> shift & 0xf)]);
    }
}

impl Json {
    /// Appends the value as `JSON.stringify(value)` writes it (HTTP 9): no spaces, keys in the order of
    /// [`Object`](super::Object), numbers in JavaScript's shortest form, infinities and NaN as `null`,
    /// U+2028, U+2029 and DEL raw. [`Json::Bin`] is written as Node.js writes a `Buffer`:
    /// `{"type":"Buffer","data":[1,2]}`. The bytes appended are always UTF-8.
    pub fn write(&self, out: &mut Vec<u8>) {
        write_value(self, out, &mut None);
    }

    /// Like [`write`](Self::write), but every [`Json::Bin`] becomes `{"_placeholder":true,"num":N}` and
    /// its bytes are appended to `attachments`: the two halves of a Socket.IO binary event (realtime
    /// 7.7). N is the place in `attachments`.
    pub fn write_with_attachments(&self, out: &mut Vec<u8>, attachments: &mut Vec<Arc<[u8]>>) {
        write_value(self, out, &mut Some(attachments));
    }

    /// The text that [`write`](Self::write) appends.
    pub fn to_text(&self) -> String {
        let mut out = Vec::new();
        self.write(&mut out);
        // The error cannot happen while `Str` keeps its promise; if it did, lossy is better than a panic.
        String::from_utf8(out)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
    }
}

fn write_value(value: &Json, out: &mut Vec<u8>, attachments: &mut Option<&mut Vec<Arc<[u8]>>>) {
    match value {
        Json::Null => out.extend_from_slice(b"null"),
        Json::Bool(true) => out.extend_from_slice(b"true"),
        Json::Bool(false) => out.extend_from_slice(b"false"),
        Json::Num(value) => write_number(*value, out),
        Json::Str(text) => write_str(text, out),
        Json::Arr(items) => {
            out.push(b'[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    out.push(b',');
                }
                write_value(item, out, attachments);
            }
            out.push(b']');
        }
        Json::Obj(object) => {
            out.push(b'{');
            for (place, (key, value)) in object.iter().enumerate() {
                if place > 0 {
                    out.push(b',');
                }
                write_str(key, out);
                out.push(b':');
                write_value(value, out, attachments);
            }
            out.push(b'}');
        }
        Json::Bin(bytes) => match attachments {
            Some(attachments) => {
                out.extend_from_slice(b"{\"_placeholder\":true,\"num\":");
                out.extend_from_slice(attachments.len().to_string().as_bytes());
                out.push(b'}');
                attachments.push(Arc::clone(bytes));
            }
            None => write_buffer(bytes, out),
        },
    }
}

fn write_buffer(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"type\":\"Buffer\",\"data\":[");
    for (place, byte) in bytes.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        if *byte >= 100 {
            out.push(b'0' + byte / 100);
        }
        if *byte >= 10 {
            out.push(b'0' + byte / 10 % 10);
        }
        out.push(b'0' + byte % 10);
    }
    out.extend_from_slice(b"]}");
}
