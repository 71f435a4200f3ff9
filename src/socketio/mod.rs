//! The part of Socket.IO's protocol 5 that the chat uses: one namespace, events in and out, binary
//! attachments, acknowledgements of events (`realtime.md` section 7).

pub mod packet;

use std::sync::Arc;

use crate::{engine::frame::Frame, js};

/// The text of an event packet with its Engine.IO digit, from JSON text: `42["name",data]`.
pub fn event(name: &str, data: &[u8]) -> Frame {
    let mut out = Vec::with_capacity(data.len() + name.len() + 8);
    out.extend_from_slice(b"42[");
    js::write_string(name, &mut out);
    out.push(b',');
    out.extend_from_slice(data);
    out.push(b']');
    Frame::text(&out)
}

/// An event with binary attachments, for which `data` has placeholders: its packet is followed by
/// them (section 7.7).
pub fn binary_event(name: &str, data: &[u8], attachments: &[Arc<[u8]>]) -> Vec<Frame> {
    let mut out = format!("45{}-[", attachments.len()).into_bytes();
    js::write_string(name, &mut out);
    out.push(b',');
    out.extend_from_slice(data);
    out.push(b']');
    let attachments = attachments.iter().map(|data| Frame::binary(data));
    std::iter::once(Frame::text(&out)).chain(attachments).collect()
}

/// The answer to CONNECT (section 7.1).
pub fn connected(sid: &str) -> Frame {
    Frame::text(format!(r#"40{{"sid":"{sid}"}}"#).as_bytes())
}

/// The server takes a socket out of the namespace. A stock client does not come back by itself.
pub fn disconnected() -> Frame {
    Frame::text(b"41")
}

/// The acknowledgement with this number: `{"ok":true}`, or `{"message":…}` with the reason why not.
pub fn acknowledgement(number: u64, refused: Option<&str>) -> Frame {
    let mut out = format!("43{number}[").into_bytes();
    match refused {
        None => out.extend_from_slice(b"{\"ok\":true}"),
        Some(why) => {
            out.extend_from_slice(b"{\"message\":");
            js::write_string(why, &mut out);
            out.push(b'}');
        }
    }
    out.push(b']');
    Frame::text(&out)
}

/// The refusal of a namespace, with its name as sent (section 7.2).
pub fn invalid_namespace(name: &str) -> Frame {
    Frame::text(format!(r#"44{name},{{"message":"Invalid namespace"}}"#).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acknowledgements_carry_their_number() {
        assert_eq!(acknowledgement(7, None).payload(), br#"437[{"ok":true}]"#);
        assert_eq!(acknowledgement(0, Some("no")).payload(), br#"430[{"message":"no"}]"#);
    }
}
