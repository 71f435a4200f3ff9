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
    /// The memory that what is incomplete takes.
    pub fn held(&self) -> usize {
        self.partial.capacity() + self.message.as_ref().map_or(0, |(_, m)| m.capacity())
    }

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
    use super::*;

    const LIMIT: usize = 2000;

    /// The head of a masked text frame and its payload of `length` bytes.
    fn text(length: u16) -> Vec<u8> {
        let mut frame = vec![0x81, 0x80 | 126];
        frame.extend(length.to_be_bytes());
        // A mask of zeros changes nothing.
        frame.extend([0; 4]);
        frame.resize(frame.len() + usize::from(length), b'x');
        frame
    }

    // What else it reads is held against tungstenite by the fuzz target `frames`, with the corpus and with
    // random frames (`tests/fuzz_corpus`).
    #[test]
    fn the_limit_is_inclusive_and_checked_before_the_payload() {
        let (mut reader, mut lengths) = (Reader::default(), Vec::new());
        let on = |event: Event<'_>| {
            lengths.push(if let Event::Text(text) = event { text.len() } else { 0 });
            true
        };
        assert_eq!(reader.feed(&mut text(2000), LIMIT, on), Ok(()));
        assert_eq!(lengths, [LIMIT]);
        let mut head = text(2001)[..4].to_vec();
        assert_eq!(reader.feed(&mut head, LIMIT, |_| true), Err(Violation::TooBig));
    }
}
