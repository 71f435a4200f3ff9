//! The envelope of announcements between instances (`http-and-redis.md` section 10, `realtime.md`
//! section 9).

use super::events;
use crate::js::{self, Json};

/// What else holds, beside the form: name, section, rule.
pub(super) const RULES: [(&str, &str, &str); 3] = [
    ("own", "R9.2", "a server ignores what it published itself"),
    ("invalid", "R11", "what is no object, or has no type, is ignored"),
    ("foreign type", "R9.2", "an event of any other name is passed on"),
];

/// The text of an envelope: `{"serverId":…,"type":…,"data":…}`, in this order. `data` is JSON text.
pub fn encode(server_id: &str, event: &str, data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len() + server_id.len() + event.len() + 40);
    out.extend_from_slice(b"{\"serverId\":");
    js::write_string(server_id, &mut out);
    out.extend_from_slice(b",\"type\":");
    js::write_string(event, &mut out);
    out.extend_from_slice(b",\"data\":");
    out.extend_from_slice(data);
    out.push(b'}');
    out
}

/// An envelope that came in.
#[derive(Debug, PartialEq)]
pub enum Incoming {
    /// Our own, which every instance hears too: to be ignored.
    Own,
    /// Another instance's event.
    Foreign(Foreign),
    /// What can't be an announcement, with the reason. The original ends on most of these.
    Invalid(&'static str),
}

/// An event of another instance.
#[derive(Debug, PartialEq)]
pub struct Foreign {
    /// The instance's name; empty if it has none that is a text.
    pub server: String,
    /// The event's name; never a reserved one.
    pub event: String,
    /// Its data; `null` if there was none.
    pub data: Json,
}

/// Reads an envelope. `own` is this instance's name.
pub fn decode(text: &[u8], own: &str) -> Incoming {
    // Every message of our own comes back: those are known by their beginning, as `encode` makes it.
    let rest = text.strip_prefix(b"{\"serverId\":\"").and_then(|t| t.strip_prefix(own.as_bytes()));
    if rest.is_some_and(|rest| rest.starts_with(b"\",\"type\":")) {
        return Incoming::Own;
    }
    // As the original's client does it: bytes that are no UTF-8 become U+FFFD.
    let text = String::from_utf8_lossy(text);
    let Ok(Json::Obj(mut envelope)) = Json::parse(&text) else {
        return Incoming::Invalid("not a JSON object");
    };
    let server = match envelope.get("serverId") {
        Some(Json::Str(id)) if id.as_str() == Some(own) => return Incoming::Own,
        Some(Json::Str(id)) => id.to_lossy().into_owned(),
        _ => String::new(),
    };
    let event = match envelope.get("type") {
        Some(Json::Str(event)) => event.to_lossy().into_owned(),
        _ => return Incoming::Invalid("its type is not a string"),
    };
    if events::RESERVED.contains(&event.as_str()) {
        return Incoming::Invalid("its type is a reserved name");
    }
    let data = envelope.remove("data").unwrap_or(Json::Null);
    Incoming::Foreign(Foreign { server, event, data })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_in_the_originals_order() {
        let text = encode("10.0.0.5:4000", "message", br#"{"a":1}"#);
        assert_eq!(text, br#"{"serverId":"10.0.0.5:4000","type":"message","data":{"a":1}}"#);
    }

    #[test]
    fn table_of_incoming_envelopes() {
        let foreign = |server: &str, event: &str, data| {
            Incoming::Foreign(Foreign { server: server.into(), event: event.into(), data })
        };
        let read = |text: &str| decode(text.as_bytes(), "me");
        assert_eq!(read(r#"{"serverId":"me","type":"message","data":1}"#), Incoming::Own);
        assert_eq!(read(r#"{"serverId":"x","type":"nodata"}"#), foreign("x", "nodata", Json::Null));
        assert_eq!(read(r#"{"type":"","data":true}"#), foreign("", "", Json::Bool(true)));
        for bad in
            ["", "null", "5", "[]", "{bad", r#"{"type":5}"#, r#"{"type":"disconnect"}"#, "{}"]
        {
            assert!(matches!(read(bad), Incoming::Invalid(_)), "{bad}");
        }
    }
}
