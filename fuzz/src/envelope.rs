//! Envelopes on the channel that all servers share, and the messages on our own.

use redis_chat_server::{
    contract::{
        control::Control,
        envelope::{Foreign, Incoming, decode, encode},
        events,
    },
    js::Json,
};

use super::choice;

const OWN: &str = "10.0.0.5:4000";
const OTHER: &str = "10.0.0.6:4000";

/// The input as an envelope; its parts as what is announced.
pub fn run(data: &[u8]) {
    received(data, OWN);
    received(data, &String::from_utf8_lossy(&data[..data.len().min(3)]));
    let _ = Control::decode(data, OWN);
    let mut rest = data;
    let length = usize::from(choice(&mut rest));
    let (first, second) = rest.split_at(length.min(rest.len()));
    sent(&String::from_utf8_lossy(first), second);
}

fn received(data: &[u8], own: &str) {
    let text = String::from_utf8_lossy(data);
    let found = decode(data, own);
    let slowly = match Json::parse(&text) {
        Ok(Json::Obj(envelope)) => match envelope.get("serverId") {
            Some(Json::Str(id)) => id.as_str() == Some(own),
            _ => false,
        },
        _ => false,
    };
    if slowly {
        assert_eq!(found, Incoming::Own, "our own, in whatever form");
    }
    if found == Incoming::Own && !slowly {
        // Known by its beginning: it breaks off, or names a server once more. Nobody writes that.
        let rest = data.strip_prefix(format!("{{\"serverId\":\"{own}\",").as_bytes());
        let rest = [b"{", rest.expect("begins as our own")].concat();
        let twice = match Json::parse(&String::from_utf8_lossy(&rest)) {
            Ok(Json::Obj(rest)) => rest.get("serverId").is_some(),
            _ => true,
        };
        assert!(twice, "taken for our own: {text}");
    }
    if let Incoming::Foreign(Foreign { event, data, .. }) = found {
        assert!(!events::RESERVED.contains(&event.as_str()));
        // It is passed on as it is here, and another server reads the same.
        let again = encode(OTHER, &event, data.to_text().as_bytes());
        let Incoming::Foreign(passed) = decode(&again, OWN) else { panic!("{event} is refused") };
        assert_eq!((passed.server.as_str(), &passed.event), (OTHER, &event));
        assert_eq!(passed.data.to_text(), data.to_text());
    }
}

fn sent(name: &str, rest: &[u8]) {
    let text = String::from_utf8_lossy(rest);
    let data = Json::from(&*text);
    let envelope = encode(name, &text, data.to_text().as_bytes());
    assert_eq!(decode(&envelope, name), Incoming::Own);
    let other = format!("{name}0");
    let expected = if events::RESERVED.contains(&&*text) {
        Incoming::Invalid("its type is a reserved name")
    } else {
        Incoming::Foreign(Foreign { server: name.into(), event: text.clone().into_owned(), data })
    };
    assert_eq!(decode(&envelope, &other), expected);

    let (sid, now, user) = (name.to_owned(), text.clone().into_owned(), "1".to_owned());
    let server = now.clone();
    for control in [
        Control::SessionEnded { sid: sid.clone() },
        Control::SessionRenewed { sid, now, user },
        Control::LeaseBegun { server: server.clone() },
        Control::LeaseEnded { server },
        Control::PresenceRebuilt,
    ] {
        let text = control.encode(name);
        assert_eq!(Control::decode(&text, name), None, "our own");
        assert_eq!(Control::decode(&text, &other), Some(control));
    }
}
