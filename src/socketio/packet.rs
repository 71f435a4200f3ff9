//! Incoming Socket.IO packets (`realtime.md` sections 7.1 to 7.8).

use std::sync::Arc;

use crate::{engine::Malformed, js::Json};

/// Values in one packet: the chat's own have a handful. A megabyte of tiny ones would keep the loop from everybody for
/// ten milliseconds.
const MAX_VALUES: usize = 10_000;

/// A packet of a client, without its Engine.IO digit.
#[derive(Debug, PartialEq)]
pub enum Packet<'a> {
    /// Join a namespace.
    Connect {
        /// `/` or another name, as sent.
        namespace: &'a str,
    },
    /// Leave a namespace.
    Disconnect {
        /// `/` or another name, as sent.
        namespace: &'a str,
    },
    /// An event. Without arguments it has no effect.
    Event(Event<'a>),
    /// Acknowledgements and errors from a client are ignored.
    Ignored,
}

/// An event of a client.
#[derive(Debug, PartialEq)]
pub struct Event<'a> {
    /// `/` or another name, as sent.
    pub namespace: &'a str,
    /// Whether the client wants an acknowledgement.
    pub wants_ack: bool,
    /// The number of that acknowledgement. `None` if it is larger than any that a client gives.
    pub ack: Option<u64>,
    /// Binary attachments that follow.
    pub attachments: usize,
    /// The name, then the arguments. Empty if there was no data.
    pub arguments: Vec<Json>,
}

/// Reads a packet.
///
/// # Errors
/// What the original closes the connection for (section 7.8).
pub fn parse(text: &str) -> Result<Packet<'_>, Malformed> {
    let kind = *text.as_bytes().first().ok_or(Malformed)?;
    // The first character may be longer than the digit that it should be.
    let mut rest = text.get(1..).ok_or(Malformed)?;
    let binary = matches!(kind, b'5' | b'6');
    let mut attachments = 0;
    if binary {
        let (count, after) = rest.split_once('-').ok_or(Malformed)?;
        let digits = !count.is_empty() && count.bytes().all(|c| c.is_ascii_digit());
        attachments = count.parse().ok().filter(|_| digits).ok_or(Malformed)?;
        rest = after;
    }
    let mut namespace = "/";
    if rest.starts_with('/') {
        (namespace, rest) = rest.split_once(',').unwrap_or((rest, ""));
    }
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (number, payload) = rest.split_at(digits);
    let data = match payload {
        "" => None,
        some => Some(Json::parse_few(some, MAX_VALUES).map_err(|_| Malformed)?),
    };
    match (kind, data) {
        (b'0', None | Some(Json::Null | Json::Obj(_) | Json::Arr(_))) => {
            Ok(Packet::Connect { namespace })
        }
        (b'1', None) => Ok(Packet::Disconnect { namespace }),
        (b'2' | b'5', data) => {
            let arguments = match data {
                None => Vec::new(),
                Some(Json::Arr(arguments)) if matches!(arguments.first(), Some(Json::Str(_))) => {
                    arguments
                }
                Some(_) => return Err(Malformed),
            };
            let (wants_ack, ack) = (digits > 0, number.parse().ok());
            Ok(Packet::Event(Event { namespace, wants_ack, ack, attachments, arguments }))
        }
        (b'3' | b'6', None | Some(Json::Arr(_))) => Ok(Packet::Ignored),
        (b'4', None | Some(Json::Null | Json::Str(_) | Json::Arr(_) | Json::Obj(_))) => {
            Ok(Packet::Ignored)
        }
        _ => Err(Malformed),
    }
}

/// Puts attachments in the place of their placeholders, `{"_placeholder":true,"num":n}`. Each is taken by the one
/// that names it: else a small packet could name a large one thousands of times, and each would be stored and sent.
///
/// # Errors
/// If a placeholder names an attachment that is not there, or not any more.
pub fn attach(value: &mut Json, attachments: &mut [Option<Arc<[u8]>>]) -> Result<(), Malformed> {
    match value {
        Json::Arr(items) => items.iter_mut().try_for_each(|item| attach(item, attachments)),
        Json::Obj(object) if object.get("_placeholder") == Some(&Json::Bool(true)) => {
            let Some(Json::Num(number)) = object.get("num") else { return Err(Malformed) };
            let place = attachments
                .get_mut(*number as usize)
                .filter(|_| number.fract() == 0.0 && *number >= 0.0);
            *value = Json::Bin(place.and_then(Option::take).ok_or(Malformed)?);
            Ok(())
        }
        Json::Obj(object) => object.values_mut().try_for_each(|item| attach(item, attachments)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_the_original_accepts() {
        for text in ["0", "0{}", "0[1]", "0null", "0/,", "01", "0/foo", "0/?x=1,", "0/é😀,{}"] {
            assert!(matches!(parse(text), Ok(Packet::Connect { .. })), "{text}");
        }
        for text in [
            "2",
            "2[\"a\"]",
            "2/x,[\"a\"]",
            "299999999999999999999[\"a\"]",
            "2[ \"a\" , 1 ]",
            "50-[\"a\"]",
        ] {
            assert!(matches!(parse(text), Ok(Packet::Event(_))), "{text}");
        }
        for text in [
            "30[]",
            "3",
            "3777[\"x\"]",
            "4{\"message\":\"x\"}",
            "4\"x\"",
            "4[1]",
            "4null",
            "61-7[]",
        ] {
            assert_eq!(parse(text).unwrap(), Packet::Ignored, "{text}");
        }
    }

    #[test]
    fn refuses_what_the_original_closes_for() {
        for text in [
            "",
            "9[\"x\"]",
            "a",
            "é[\"x\"]",
            "0\"x\"",
            "0{bad",
            "0{}1",
            "0true",
            "1{}",
            "2{}",
            "2[]",
            "2[5]",
            "2[\"x\"",
            "2\"x\"",
            "2[\"x\"]y",
            "2abc",
            "31{}",
            "41[",
            "5x-[\"x\"]",
            "5-[\"x\"]",
            "5[\"x\"]",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        let of = |values: usize| format!("2[\"x\"{}]", ",1".repeat(values - 2));
        assert!(parse(&of(MAX_VALUES)).is_ok() && parse(&of(MAX_VALUES + 1)).is_err());
    }

    #[test]
    fn acknowledgements_are_asked_for_by_number() {
        let ack = |text| match parse(text) {
            Ok(Packet::Event(event)) => (event.wants_ack, event.ack),
            other => panic!("{other:?}"),
        };
        assert_eq!(ack("2[\"a\"]"), (false, None));
        assert_eq!(ack("20[\"a\"]"), (true, Some(0)));
        assert_eq!(ack("51-/x,17[\"a\"]"), (true, Some(17)));
        assert_eq!(ack("299999999999999999999[\"a\"]"), (true, None));
    }

    #[test]
    fn namespaces_keep_their_text() {
        assert_eq!(
            parse("0/foo?x=1,{\"a\":1}").unwrap(),
            Packet::Connect { namespace: "/foo?x=1" }
        );
        assert_eq!(parse("1").unwrap(), Packet::Disconnect { namespace: "/" });
    }

    #[test]
    fn attachments_replace_placeholders() {
        let mut value = Json::parse(r#"["m",{"a":{"_placeholder":true,"num":0}}]"#).unwrap();
        let part = || Some(Arc::from(&b"hi"[..]));
        attach(&mut value, &mut [part()]).unwrap();
        assert_eq!(value.to_text(), r#"["m",{"a":{"type":"Buffer","data":[104,105]}}]"#);
        let mut missing = Json::parse(r#"{"_placeholder":true,"num":3}"#).unwrap();
        assert!(attach(&mut missing, &mut []).is_err());
        let one = r#"{"_placeholder":true,"num":0}"#;
        let mut twice = Json::parse(&format!("[{one},{one}]")).unwrap();
        assert!(attach(&mut twice, &mut [part(), part()]).is_err());
    }
}
