//! Incoming Engine.IO packets and payloads (`realtime.md` sections 2.1, 2.4 and 3.4).

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::frame::SEPARATOR;

/// A packet from a client. What the server ignores in every state is one variant.
#[derive(Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// `3`: the answer to a heartbeat.
    Pong,
    /// `2probe`: a provisional WebSocket asks whether it works.
    Probe,
    /// `5`: the provisional WebSocket takes over.
    Upgrade,
    /// `1`: the client closes the session (polling only).
    Close,
    /// `4…`: a text message for the layer above.
    Text(&'a str),
    /// A binary message for the layer above.
    Binary(Vec<u8>),
    /// `0`, `2` and `6`: without effect.
    Ignored,
    /// Anything else ends the session.
    Malformed,
}

impl<'a> Packet<'a> {
    /// Reads one text packet. `polling` also takes `b` and base64 for binary.
    pub fn parse(text: &'a str, polling: bool) -> Packet<'a> {
        match text.as_bytes().first() {
            Some(b'4') => Packet::Text(&text[1..]),
            Some(b'3') => Packet::Pong,
            Some(b'2') if text == "2probe" => Packet::Probe,
            Some(b'0' | b'2' | b'6') => Packet::Ignored,
            Some(b'1') => Packet::Close,
            Some(b'5') => Packet::Upgrade,
            Some(b'b') if polling => match STANDARD.decode(&text[1..]) {
                Ok(data) => Packet::Binary(data),
                Err(_) => Packet::Malformed,
            },
            _ => Packet::Malformed,
        }
    }
}

/// The packets of a polling payload, in order. An empty payload is one malformed packet.
pub fn payload(text: &str) -> impl Iterator<Item = Packet<'_>> {
    text.split(char::from(SEPARATOR)).map(|packet| Packet::parse(packet, true))
}

/// The payload in the form field `d` of a JSONP post. The client escapes line feeds before it puts
/// the text into a form, so `\n` stands for one and `\\n` for the two characters.
pub fn jsonp_payload(form: &str) -> Option<String> {
    let data = form.split('&').find_map(|pair| pair.strip_prefix("d="))?;
    let parts = super::query::decode(data);
    let parts: Vec<_> = parts.split("\\\\n").map(|part| part.replace("\\n", "\n")).collect();
    Some(parts.join("\\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_of_payloads() {
        let kinds = |text| payload(text).collect::<Vec<_>>();
        assert_eq!(kinds("3"), [Packet::Pong]);
        assert_eq!(kinds("2probe"), [Packet::Probe]);
        assert_eq!(kinds("2:40"), [Packet::Ignored]);
        assert_eq!(kinds(""), [Packet::Malformed]);
        assert_eq!(kinds("\u{1e}"), [Packet::Malformed, Packet::Malformed]);
        assert_eq!(kinds("é"), [Packet::Malformed]);
        assert_eq!(
            kinds("40\u{1e}bAQID\u{1e}1"),
            [Packet::Text("0"), Packet::Binary(vec![1, 2, 3]), Packet::Close]
        );
    }

    #[test]
    fn jsonp_takes_back_what_the_form_did() {
        assert_eq!(jsonp_payload("d=40%7B%7D").as_deref(), Some("40{}"));
        assert_eq!(jsonp_payload("d=42%5B%22a%5C%5Cn%22%5D").as_deref(), Some("42[\"a\\n\"]"));
        assert_eq!(jsonp_payload("x=1"), None);
    }
}
