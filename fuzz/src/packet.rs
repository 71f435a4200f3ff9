//! Socket.IO packets. `tests/fuzz_corpus.rs` compares the corpus with the original's parser.

use std::{fmt::Write as _, sync::Arc};

use redis_chat_server::{
    engine::frame::Frame,
    js::{Json, Object},
    socketio::{
        self,
        packet::{Event, Packet, attach, parse},
    },
};
use serde::de::IgnoredAny;

/// The input as a packet; as an argument of an event that is sent; as an attachment.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match parse(text) {
        Ok(Packet::Event(event)) => {
            let again = written(&event);
            let Ok(Packet::Event(read)) = parse(&again) else { panic!("{again}") };
            assert_eq!(written(&read), again);
            assert_eq!((read.namespace, read.ack), (event.namespace, event.ack));
            assert_eq!(read.attachments, event.attachments);
            assert!(event.ack.is_none() || event.wants_ack);
            assert!(matches!(event.arguments.first(), None | Some(Json::Str(_))));
            attached(&event);
        }
        Ok(Packet::Connect { namespace } | Packet::Disconnect { namespace }) => {
            assert!(namespace.starts_with('/') && !namespace.contains(','));
            let refusal = socketio::invalid_namespace(namespace);
            assert!(matches!(parse(packet(&refusal)), Ok(Packet::Ignored)));
        }
        Ok(Packet::Ignored) | Err(_) => {}
    }
    sent(text);
}

fn written(event: &Event<'_>) -> String {
    let mut out = match event.attachments {
        0 => "2".to_owned(),
        some => format!("5{some}-"),
    };
    if event.namespace != "/" {
        out += event.namespace;
        out.push(',');
    }
    if let Some(ack) = event.ack {
        let _ = write!(out, "{ack}");
    }
    if !event.arguments.is_empty() {
        out += &Json::Arr(event.arguments.clone()).to_text();
    }
    out
}

/// With any number of attachments placeholders are filled or refused, and what is filled is written as
/// it came.
fn attached(event: &Event<'_>) {
    let parts: Vec<Arc<[u8]>> =
        (0..event.attachments.min(8)).map(|part| Arc::from(vec![part as u8; part])).collect();
    let mut value = Json::Arr(event.arguments.clone());
    if attach(&mut value, &mut each(&parts)).is_err() {
        return;
    }
    let (mut out, mut attachments) = (Vec::new(), Vec::new());
    value.write_with_attachments(&mut out, &mut attachments);
    let out = String::from_utf8(out).expect("JSON is text");
    let mut again = Json::parse(&out).expect("what we wrote is JSON");
    attach(&mut again, &mut each(&attachments)).expect("our own placeholders");
    assert_eq!(again.to_text(), value.to_text());
    // None is sent twice.
    assert!(attachments.iter().all(|part| parts.contains(part)));
    assert!(attachments.len() <= parts.len());
    let frames = socketio::binary_event("message", out.as_bytes(), &attachments);
    assert_eq!(frames.len(), attachments.len() + 1);
    let Ok(Packet::Event(sent)) = parse(packet(&frames[0])) else { panic!("no event") };
    assert_eq!(sent.attachments, attachments.len());
}

fn each(parts: &[Arc<[u8]>]) -> Vec<Option<Arc<[u8]>>> {
    parts.iter().cloned().map(Some).collect()
}

fn sent(text: &str) {
    let mut data = Object::default();
    data.insert("text", Json::from(text));
    let data = Json::Obj(data);
    let frame = socketio::event(text, data.to_text().as_bytes());
    let expected = Event {
        namespace: "/",
        wants_ack: false,
        ack: None,
        attachments: 0,
        arguments: vec![Json::from(text), data],
    };
    assert_eq!(parse(packet(&frame)).ok(), Some(Packet::Event(expected)));
    let answer = socketio::acknowledgement(text.len() as u64, Some(text));
    assert!(matches!(parse(packet(&answer)), Ok(Packet::Ignored)));
    let body = packet(&answer).trim_start_matches(|char: char| char.is_ascii_digit());
    assert!(serde_json::from_str::<IgnoredAny>(body).is_ok(), "{body}");
}

/// The text of a packet that is sent, without its Engine.IO digit.
fn packet(frame: &Frame) -> &str {
    let text = std::str::from_utf8(frame.payload()).expect("a packet is text");
    text.strip_prefix('4').expect("a message")
}
