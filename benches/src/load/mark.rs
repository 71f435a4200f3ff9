//! The mark in a message: which stream it belongs to, its number there, when it was sent.
//!
//! It has a fixed length and begins with a character that is nowhere else in an event, so that finding it is one scan.

use std::time::Instant;

use memchr::memchr;

/// Begins a mark.
const SIGN: u8 = b'#';
const STREAM: usize = 4;
const NUMBER: usize = 8;
const TIME: usize = 12;
const LENGTH: usize = 1 + STREAM + NUMBER + TIME;
/// Fills a message to the length of a line that people write.
const FILLER: &str = " and some words more, so that it is as long as people write";

/// What a message carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Which sequence of messages it is of.
    pub stream: u32,
    /// Its place there, from 0.
    pub number: u32,
    /// When it was sent, in microseconds since the clock's start.
    pub sent: u64,
}

/// Microseconds since the run began.
#[derive(Debug, Clone, Copy)]
pub struct Clock(Instant);

impl Clock {
    /// Starts it.
    pub fn start() -> Clock {
        Clock(Instant::now())
    }

    /// Now.
    pub fn micros(&self) -> u64 {
        self.0.elapsed().as_micros() as u64
    }
}

impl Mark {
    /// The event packet of a message that carries this mark, as the browser client sends it.
    pub fn event(&self, room: &str, from: u64) -> String {
        let Mark { stream, number, sent } = self;
        let date = 1_700_000_000 + u64::from(*number);
        format!(
            r##"42["message",{{"roomId":"{room}","message":"#{stream:04x}{number:08x}{sent:012x}{FILLER}","from":"{from}","date":{date}}}]"##
        )
    }

    /// The mark in a packet, if it is a message event of this generator.
    pub fn find(packet: &[u8]) -> Option<Mark> {
        if !packet.starts_with(b"42[\"message\"") {
            return None;
        }
        let at = memchr(SIGN, packet)?;
        let mark = packet.get(at + 1..at + LENGTH)?;
        let (stream, rest) = mark.split_at(STREAM);
        let (number, sent) = rest.split_at(NUMBER);
        Some(Mark { stream: hex(stream)? as u32, number: hex(number)? as u32, sent: hex(sent)? })
    }
}

fn hex(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |value, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_survives_the_way_through_an_event() {
        let mark = Mark { stream: 0xabc, number: 0x00ff_1234, sent: 0x1234_5678_9abc };
        assert_eq!(Mark::find(mark.event("7", 12).as_bytes()), Some(mark));
        assert_eq!(Mark::find(br#"42["message",{"message":"Hello!"}]"#), None);
        assert_eq!(Mark::find(br##"42["user.connected",{"id":"#00"}]"##), None);
    }
}
