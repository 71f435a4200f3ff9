//! An outgoing packet, encoded once and shared by every session that gets it.
//!
//! Server frames are unmasked, so the bytes of one event are the same for all WebSocket readers;
//! the polling transport takes the part behind the frame header (`realtime.md` sections 2 and 3).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::{BufMut, Bytes, BytesMut};

const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;

/// The status of a close frame to a client that broke a rule of this server.
pub const POLICY_VIOLATION: u16 = 1008;
/// The status of a close frame to a client for which there is no room now.
pub const TRY_AGAIN_LATER: u16 = 1013;

/// Separates packets in a polling payload.
pub const SEPARATOR: u8 = 0x1e;

/// One Engine.IO packet as a whole WebSocket frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    bytes: Bytes,
    head: u8,
}

impl Frame {
    /// A text packet, with its Engine.IO type digit in front.
    pub fn text(packet: &[u8]) -> Frame {
        Frame::new(TEXT, packet)
    }

    /// A binary message: on WebSocket raw, in polling as `b` and base64.
    pub fn binary(data: &[u8]) -> Frame {
        Frame::new(BINARY, data)
    }

    fn new(first: u8, payload: &[u8]) -> Frame {
        let mut bytes = BytesMut::with_capacity(payload.len() + 10);
        bytes.put_u8(first);
        match payload.len() {
            n @ 0..=125 => bytes.put_u8(n as u8),
            n @ 126..=0xffff => {
                bytes.put_u8(126);
                bytes.put_u16(n as u16);
            }
            n => {
                bytes.put_u8(127);
                bytes.put_u64(n as u64);
            }
        }
        let head = bytes.len() as u8;
        bytes.put_slice(payload);
        Frame { bytes: bytes.freeze(), head }
    }

    /// The frame as it goes over a WebSocket.
    pub fn wire(&self) -> &[u8] {
        &self.bytes
    }

    /// What is left of it behind the first `sent` bytes, without a copy.
    pub fn rest(&self, sent: usize) -> Bytes {
        self.bytes.slice(sent..)
    }

    /// What the frame carries.
    pub fn payload(&self) -> &[u8] {
        &self.bytes[usize::from(self.head)..]
    }

    /// What the frame carries, if that is what a polling payload holds; its memory is shared.
    pub fn shared_text(&self) -> Option<Bytes> {
        (!self.is_binary()).then(|| self.bytes.slice(usize::from(self.head)..))
    }

    /// Bytes that the frame takes in a queue.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    fn is_binary(&self) -> bool {
        self.bytes[0] == BINARY
    }

    /// Appends the packet as a polling payload holds it.
    pub fn append_to_payload(&self, out: &mut Vec<u8>) {
        if self.is_binary() {
            out.push(b'b');
            let start = out.len();
            out.resize(start + base64::encoded_len(self.payload().len(), true).unwrap_or(0), 0);
            let written = STANDARD.encode_slice(self.payload(), &mut out[start..]).unwrap_or(0);
            out.truncate(start + written);
        } else {
            out.extend_from_slice(self.payload());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_have_the_three_lengths() {
        for (len, head) in [(0, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)] {
            let frame = Frame::text(&vec![b'x'; len]);
            assert_eq!(frame.wire().len(), len + head);
            assert_eq!(frame.payload().len(), len);
        }
    }

    #[test]
    fn binary_is_base64_in_a_payload() {
        let mut out = Vec::new();
        Frame::binary(&[1, 2, 3]).append_to_payload(&mut out);
        assert_eq!(out, b"bAQID");
    }
}
