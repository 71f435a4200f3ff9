//! As much of WebSocket as a client of these servers needs: masked text frames out, unmasked frames in.

/// The mask of every frame sent. A mask keeps proxies from being fooled; there are none here, and a fixed one that
/// changes nothing saves the work of masking. Servers unmask it all the same.
const MASK: [u8; 4] = [0; 4];

/// Appends a text frame.
pub fn push_text(out: &mut Vec<u8>, text: &[u8]) {
    out.push(0x81);
    match text.len() {
        short @ ..126 => out.push(0x80 | short as u8),
        middle @ ..=0xffff => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(middle as u16).to_be_bytes());
        }
        long => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&MASK);
    out.extend_from_slice(text);
}

/// The frame at the start of `bytes`: its opcode, its payload, and what follows it. `None` if it is not whole yet.
///
/// The servers measured send no fragments; a continuation comes out as a frame of opcode 0.
pub fn split(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let [first, second, ..] = bytes else { return None };
    let (header, length) = match second & 0x7f {
        126 => (4, usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?))),
        127 => (10, u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?) as usize),
        short => (2, usize::from(short)),
    };
    let end = header + length;
    Some((first & 0x0f, bytes.get(header..end)?, &bytes[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server_frame(payload: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        push_text(&mut frame, payload);
        // The same without a mask.
        let header = frame.len() - payload.len();
        frame.drain(header - 4..header);
        frame[1] &= 0x7f;
        frame
    }

    #[test]
    fn frames_of_all_lengths_come_out_as_they_went_in() {
        for length in [0, 1, 125, 126, 65_535, 65_536] {
            let payload = vec![b'x'; length];
            let mut bytes = server_frame(&payload);
            bytes.extend_from_slice(&server_frame(b"next"));
            let (opcode, first, rest) = split(&bytes).unwrap();
            assert_eq!((opcode, first), (1, &payload[..]));
            assert_eq!(split(rest).unwrap(), (1, &b"next"[..], &b""[..]));
        }
    }

    #[test]
    fn a_part_of_a_frame_is_none() {
        let frame = server_frame(&[b'x'; 300]);
        for end in 0..frame.len() {
            assert!(split(&frame[..end]).is_none(), "{end}");
        }
    }
}
