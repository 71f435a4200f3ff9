//! Reads WebSocket frames of clients out of a buffer that all connections share (`realtime.md`
//! section 3; RFC 6455 section 5).
//!
//! A reader of our own, since the libraries' keep a buffer for each connection. A connection holds
//! memory here only while a frame or a fragmented message is incomplete. A property test holds it
//! against tungstenite.

/// What a client sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A whole text message.
    Text(&'a str),
    /// A whole binary message.
    Binary(&'a [u8]),
    /// A ping, to be answered with a pong of the same payload.
    Ping(&'a [u8]),
    /// A close frame with its status code, if it has one.
    Close(Option<u16>),
}

/// Why the connection must be closed; the number is the status code that says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub enum Violation {
    /// Unmasked, reserved bits or opcodes, fragments out of place.
    Protocol = 1002,
    /// A text message that is not UTF-8.
    NotUtf8 = 1007,
    /// A message over the limit.
    TooBig = 1009,
}

/// The state between two reads of one connection.
#[derive(Default)]
pub struct Reader {
    /// An incomplete frame.
    partial: Vec<u8>,
    /// The opcode and the fragments of an incomplete message.
    message: Option<(u8, Vec<u8>)>,
}

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

struct Head {
    fin: bool,
    opcode: u8,
    mask: [u8; 4],
    start: usize,
    end: usize,
}

impl Reader {
    /// Takes what was read and hands each event to `on`, in order, until that returns false.
    /// `data` is unmasked in place. `limit` is the largest message in bytes.
    ///
    /// # Errors
    /// The first violation; the connection must be closed then.
    pub fn feed(
        &mut self,
        data: &mut [u8],
        limit: usize,
        mut on: impl FnMut(Event<'_>) -> bool,
    ) -> Result<(), Violation> {
        if self.partial.is_empty() {
            let used = self.frames(data, limit, &mut on)?;
            self.partial.extend_from_slice(&data[used..]);
        } else {
            let mut all = std::mem::take(&mut self.partial);
            all.extend_from_slice(data);
            let used = self.frames(&mut all, limit, &mut on)?;
            if used < all.len() {
                all.drain(..used);
                self.partial = all;
            }
        }
        Ok(())
    }

    /// Handles the whole frames in `data` and returns how many bytes they took.
    fn frames(
        &mut self,
        data: &mut [u8],
        limit: usize,
        on: &mut impl FnMut(Event<'_>) -> bool,
    ) -> Result<usize, Violation> {
        let mut used = 0;
        while let Some(head) = self.head(&data[used..], limit)? {
            let frame = &mut data[used..];
            if frame.len() < head.end {
                break;
            }
            let payload = &mut frame[head.start..head.end];
            unmask(payload, head.mask);
            used += head.end;
            if !self.frame(&head, payload, on)? {
                return Ok(data.len());
            }
        }
        Ok(used)
    }

    /// Reads a frame's header, if it is complete, and checks it before the payload is there.
    fn head(&self, data: &[u8], limit: usize) -> Result<Option<Head>, Violation> {
        let &[first, second, ..] = data else { return Ok(None) };
        let (fin, opcode) = (first & 0x80 != 0, first & 0x0f);
        let control = opcode >= CLOSE;
        let known = matches!(opcode, 0 | TEXT | BINARY | CLOSE | PING | PONG);
        // A continuation needs a message that has begun; a new message must not interrupt one.
        let in_place = control || (opcode == 0) == self.message.is_some();
        if first & 0x70 != 0 || !known || second & 0x80 == 0 || !in_place || (control && !fin) {
            return Err(Violation::Protocol);
        }
        let (len, mask_at) = match second & 0x7f {
            126 => match data.get(2..4) {
                Some(bytes) => (u64::from(u16::from_be_bytes([bytes[0], bytes[1]])), 4),
                None => return Ok(None),
            },
            127 => match data.get(2..10).and_then(|b| b.try_into().ok()) {
                Some(bytes) => (u64::from_be_bytes(bytes), 10),
                None => return Ok(None),
            },
            n => (u64::from(n), 2),
        };
        if control && len > 125 {
            return Err(Violation::Protocol);
        }
        let so_far = self.message.as_ref().map_or(0, |(_, m)| m.len());
        if !control && len > limit.saturating_sub(so_far) as u64 {
            return Err(Violation::TooBig);
        }
        let Some(mask) = data.get(mask_at..mask_at + 4) else { return Ok(None) };
        let start = mask_at + 4;
        let mask = [mask[0], mask[1], mask[2], mask[3]];
        Ok(Some(Head { fin, opcode, mask, start, end: start + len as usize }))
    }

    fn frame(
        &mut self,
        head: &Head,
        payload: &[u8],
        on: &mut impl FnMut(Event<'_>) -> bool,
    ) -> Result<bool, Violation> {
        match head.opcode {
            PONG => Ok(true),
            PING => Ok(on(Event::Ping(payload))),
            CLOSE => {
                let code = match payload {
                    [] => None,
                    [high, low, reason @ ..] => {
                        let code = u16::from_be_bytes([*high, *low]);
                        if !may_be_sent(code) {
                            return Err(Violation::Protocol);
                        }
                        std::str::from_utf8(reason).map_err(|_| Violation::NotUtf8)?;
                        Some(code)
                    }
                    [_] => return Err(Violation::Protocol),
                };
                Ok(on(Event::Close(code)))
            }
            opcode => {
                let begun = self.message.take();
                if begun.is_none() && head.fin {
                    return message(opcode, payload, on);
                }
                let (opcode, mut all) = begun.unwrap_or((opcode, Vec::new()));
                all.extend_from_slice(payload);
                if head.fin {
                    return message(opcode, &all, on);
                }
                self.message = Some((opcode, all));
                Ok(true)
            }
        }
    }
}

/// Whether a close frame may carry this status code (RFC 6455 section 7.4).
fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

fn message(
    opcode: u8,
    payload: &[u8],
    on: &mut impl FnMut(Event<'_>) -> bool,
) -> Result<bool, Violation> {
    if opcode == BINARY {
        return Ok(on(Event::Binary(payload)));
    }
    let text = std::str::from_utf8(payload).map_err(|_| Violation::NotUtf8)?;
    Ok(on(Event::Text(text)))
}

fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let word = u64::from_ne_bytes([
        mask[0], mask[1], mask[2], mask[3], mask[0], mask[1], mask[2], mask[3],
    ]);
    let mut chunks = payload.chunks_exact_mut(8);
    for chunk in &mut chunks {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(chunk);
        chunk.copy_from_slice(&(u64::from_ne_bytes(bytes) ^ word).to_ne_bytes());
    }
    for (i, byte) in chunks.into_remainder().iter_mut().enumerate() {
        *byte ^= mask[i % 4];
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::io::Cursor;
    use tungstenite::{
        Message,
        protocol::{Role, WebSocket, WebSocketConfig},
    };

    use super::*;

    #[derive(Debug, PartialEq, Eq)]
    enum Seen {
        Text(String),
        Binary(Vec<u8>),
        Ping(Vec<u8>),
        Close(Option<u16>),
        Failed,
    }

    const LIMIT: usize = 2000;

    fn ours(stream: &[u8], cuts: &[usize]) -> Vec<Seen> {
        let mut reader = Reader::default();
        let mut seen = Vec::new();
        let mut rest = stream;
        let mut cuts = cuts.iter().cycle();
        while !rest.is_empty() {
            let (now, later) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
            rest = later;
            let result = reader.feed(&mut now.to_vec(), LIMIT, |event| {
                seen.push(match event {
                    Event::Text(text) => Seen::Text(text.into()),
                    Event::Binary(data) => Seen::Binary(data.into()),
                    Event::Ping(data) => Seen::Ping(data.into()),
                    Event::Close(code) => Seen::Close(code),
                });
                !matches!(event, Event::Close(_))
            });
            if result.is_err() {
                seen.push(Seen::Failed);
            }
            if matches!(seen.last(), Some(Seen::Failed | Seen::Close(_))) {
                break;
            }
        }
        seen
    }

    fn theirs(stream: &[u8]) -> Vec<Seen> {
        let config =
            WebSocketConfig::default().max_message_size(Some(LIMIT)).max_frame_size(Some(LIMIT));
        let pipe = Pipe(Cursor::new(stream.to_vec()));
        let mut socket = WebSocket::from_raw_socket(pipe, Role::Server, Some(config));
        let mut seen = Vec::new();
        loop {
            seen.push(match socket.read() {
                Ok(Message::Text(text)) => Seen::Text(text.to_string()),
                Ok(Message::Binary(data)) => Seen::Binary(data.to_vec()),
                Ok(Message::Ping(data)) => Seen::Ping(data.to_vec()),
                Ok(Message::Pong(_) | Message::Frame(_)) => continue,
                // What the library makes of a code that may not be sent.
                Ok(Message::Close(Some(frame))) if frame.reason == "Protocol violation" => {
                    Seen::Failed
                }
                Ok(Message::Close(frame)) => Seen::Close(frame.map(|f| f.code.into())),
                Err(tungstenite::Error::Protocol(
                    tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
                )) => return seen,
                Err(tungstenite::Error::Io(_)) => return seen,
                Err(_) => Seen::Failed,
            });
            if matches!(seen.last(), Some(Seen::Failed | Seen::Close(_))) {
                return seen;
            }
        }
    }

    /// Reads what was sent and swallows what the library answers.
    struct Pipe(Cursor<Vec<u8>>);
    impl std::io::Read for Pipe {
        fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
            self.0.read(buf)
        }
    }
    impl std::io::Write for Pipe {
        fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
            Ok(buf.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn frame(first: u8, masked: bool, payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
        let bit = if masked { 0x80 } else { 0 };
        let mut out = vec![first];
        match payload.len() {
            n @ 0..=125 => out.push(bit | n as u8),
            n => {
                out.push(bit | 126);
                out.extend((n as u16).to_be_bytes());
            }
        }
        let mut payload = payload.to_vec();
        if masked {
            out.extend(mask);
            unmask(&mut payload, mask);
        }
        out.extend(payload);
        out
    }

    fn any_frame() -> impl Strategy<Value = Vec<u8>> {
        let first = prop_oneof![
            8 => Just(0x81), 4 => Just(0x82), 4 => Just(0x01), 4 => Just(0x80), 3 => Just(0x00),
            2 => Just(0x89), 2 => Just(0x8a), 1 => Just(0x88), 1 => Just(0x83), 1 => Just(0xc1), 1 => Just(0x09),
        ];
        let payload = prop_oneof![
            6 => "[a-zé😀]{0,40}".prop_map(String::into_bytes),
            2 => proptest::collection::vec(any::<u8>(), 0..140),
            1 => (0usize..2100).prop_map(|n| vec![b'y'; n]),
        ];
        (first, prop::bool::weighted(0.97), payload, any::<[u8; 4]>()).prop_map(
            |(first, masked, mut payload, mask)| {
                // The library refuses bad UTF-8 in the first fragment that has it, we when the
                // message is complete: only whole messages can be compared.
                if matches!(first & 0x8f, 0 | 1 | 0x80) {
                    payload.retain(u8::is_ascii);
                }
                frame(first, masked, &payload, mask)
            },
        )
    }

    proptest! {
        #[test]
        fn reads_what_tungstenite_reads(frames in proptest::collection::vec(any_frame(), 1..12),
                                        cuts in proptest::collection::vec(1usize..300, 1..6)) {
            let stream = frames.concat();
            let (ours, theirs) = (ours(&stream, &cuts), theirs(&stream));
            prop_assert_eq!(ours, theirs);
        }
    }

    #[test]
    fn the_limit_is_inclusive_and_checked_before_the_payload() {
        let whole = frame(0x81, true, &vec![b'x'; LIMIT], [1, 2, 3, 4]);
        assert_eq!(ours(&whole, &[700]), [Seen::Text("x".repeat(LIMIT))]);
        let mut reader = Reader::default();
        let mut head = frame(0x81, true, &vec![b'x'; LIMIT + 1], [1, 2, 3, 4])[..4].to_vec();
        assert_eq!(reader.feed(&mut head, LIMIT, |_| true), Err(Violation::TooBig));
    }
}
