//! JavaScript semantics that show on a wire.
//!
//! Servers and clients that share a Redis with us are written in JavaScript: stored messages, session
//! documents, envelopes and rooms carry the marks of `JSON.parse`, `JSON.stringify`, `String`, `Number`
//! and `parseInt`. This module has those functions and nothing else of the language. The rules are those
//! of ECMA-262; where a rule is visible in the contract the item names the section
//! (`http-and-redis.md` as "HTTP", `realtime.md` as "realtime").
//!
//! * [`Json`] – a JSON value: [`Json::parse`], [`Json::write`], [`Json::write_with_attachments`]
//! * [`is_canonical`] – whether a text needs neither
//! * [`Str`] – a string that may hold lone surrogates
//! * [`number_text`], [`number`], [`parse_int`] – numbers to and from text
//! * [`redis_score`] – the value of what Redis takes as a score
//! * [`to_js_string`], [`sanitise`], [`array_index`]
//!
//! Nothing here panics on any input, and all of it takes time linear in the length of its input (a big
//! object with integer-like keys out of order: n log n).

mod canonical;
mod json;
mod number;
mod object;
mod text;

#[cfg(test)]
mod differential;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

pub use canonical::is_canonical;
pub use json::{Json, MAX_DEPTH, ParseError};
pub use number::{array_index, number, number_text, parse_int, redis_score};
pub use object::Object;
pub use text::{Str, write_string};

/// `String(value)`: the text a value has in a template or as an argument of the Redis client.
///
/// Arrays join their elements with `,`, `null` elements being empty; an object is `[object Object]`; a
/// [`Json::Bin`] is its bytes read as UTF-8. Used for room names (realtime 8.4), `from` and `date`
/// (realtime 8.5) and the arguments of `parseInt` (HTTP 2).
///
/// One deliberate difference: an object with an own `toString` key makes JavaScript throw; here it is
/// `[object Object]` like any other.
pub fn to_js_string(value: &Json) -> Str {
    if let Json::Str(text) = value {
        return text.clone();
    }
    let mut out = Vec::new();
    push_js_string(value, &mut out);
    Str::from_wtf8(&out)
}

fn push_js_string(value: &Json, out: &mut Vec<u8>) {
    match value {
        Json::Null => out.extend_from_slice(b"null"),
        Json::Bool(true) => out.extend_from_slice(b"true"),
        Json::Bool(false) => out.extend_from_slice(b"false"),
        Json::Num(value) => out.extend_from_slice(number_text(*value).as_bytes()),
        Json::Str(text) => out.extend_from_slice(text.as_bytes()),
        Json::Arr(items) => {
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    out.push(b',');
                }
                if !matches!(item, Json::Null) {
                    push_js_string(item, out);
                }
            }
        }
        Json::Obj(_) => out.extend_from_slice(b"[object Object]"),
        Json::Bin(bytes) => out.extend_from_slice(String::from_utf8_lossy(bytes).as_bytes()),
    }
}

/// Cleans the text of a message: every `<` becomes `&lt` and every `>` becomes `&gt`, without a
/// semicolon, and nothing else changes (HTTP 9, realtime 8.5).
///
/// A text with nothing to replace is handed back as it came, without a copy.
pub fn sanitise(text: Str) -> Str {
    let angle = |byte: &u8| matches!(byte, b'<' | b'>');
    let found = text.as_bytes().iter().copied().filter(|byte| angle(byte)).count();
    if found == 0 {
        return text;
    }
    let mut out = Vec::with_capacity(text.as_bytes().len() + 2 * found);
    for &byte in text.as_bytes() {
        match byte {
            b'<' => out.extend_from_slice(b"&lt"),
            b'>' => out.extend_from_slice(b"&gt"),
            _ => out.push(byte),
        }
    }
    Str::from_wtf8(&out)
}
