//! Engine.IO packets and polling payloads.

use redis_chat_server::{
    contract::uri::encode_component,
    engine::{
        frame::{Frame, SEPARATOR},
        packet::{Packet, jsonp_payload, payload},
        payload::join,
    },
};

use super::choice;

/// The input as a payload of a client, as a form of a JSONP client, and as packets that are sent.
pub fn run(data: &[u8]) {
    // As the polling transport has it: bytes that are no UTF-8 become U+FFFD.
    let text = String::from_utf8_lossy(data);
    received(&text);
    if let Some(text) = jsonp_payload(&text) {
        received(&text);
    }
    form(&text);
    sent(data);
}

fn received(text: &str) {
    let separator = char::from(SEPARATOR);
    let packets: Vec<_> = payload(text).collect();
    assert_eq!(packets.len(), text.matches(separator).count() + 1, "none is lost, none added");
    for (packet, part) in packets.iter().zip(text.split(separator)) {
        assert_eq!(payload(part).collect::<Vec<_>>(), [Packet::parse(part, true)]);
        assert_eq!(*packet, Packet::parse(part, true), "it does not depend on its neighbours");
        let mut again = Vec::new();
        match packet {
            Packet::Text(text) => Frame::text(format!("4{text}").as_bytes()),
            Packet::Binary(data) => {
                assert!(data.len() <= part.len() / 4 * 3);
                assert_eq!(Packet::parse(part, false), Packet::Malformed, "only in polling");
                Frame::binary(data)
            }
            _ => {
                assert_eq!(Packet::parse(part, false), *packet);
                continue;
            }
        }
        .append_to_payload(&mut again);
        assert_eq!(again, part.as_bytes(), "one text for one packet");
    }
}

/// What the stock client does to a text before it posts the form is undone.
fn form(text: &str) {
    // A backslash before a line feed looks to the client's escapes like their own.
    if text.contains("\\\n") {
        return;
    }
    let escaped = text.replace("\\n", "\\\n").replace('\n', "\\n");
    let form = format!("d={}", encode_component(&escaped));
    assert_eq!(jsonp_payload(&form).as_deref(), Some(text));
}

fn sent(mut data: &[u8]) {
    let mut frames = Vec::new();
    while !data.is_empty() {
        let first = choice(&mut data);
        let (now, later) = data.split_at(usize::from(first >> 1).min(data.len()));
        data = later;
        let text =
            std::str::from_utf8(now).ok().filter(|_| !now.contains(&SEPARATOR) && first & 1 == 0);
        let frame = match text {
            Some(text) => Frame::text(format!("4{text}").as_bytes()),
            None => Frame::binary(now),
        };
        assert!(frame.wire().ends_with(frame.payload()));
        assert!(frame.size() - frame.payload().len() <= 10);
        frames.push(frame);
    }
    if frames.is_empty() {
        return;
    }
    let joined = String::from_utf8(join(&frames)).expect("a payload is text");
    let packets: Vec<_> = payload(&joined).collect();
    assert_eq!(packets.len(), frames.len());
    for (packet, frame) in packets.iter().zip(&frames) {
        match packet {
            Packet::Text(text) => assert_eq!(text.as_bytes(), &frame.payload()[1..]),
            Packet::Binary(data) => assert_eq!(data, frame.payload()),
            other => panic!("{other:?}"),
        }
    }
}
