//! How packets become the body of an answer to a GET (`realtime.md` sections 1.8, 2.1, 2.3 and 2.8).
//!
//! A packet is in memory once, however many sessions wait for it, and a body is each client's own until it is
//! read. So a body is short, or it is the packet's own bytes, or it is counted.

use std::{num::NonZero, sync::Arc, thread};

use bytes::Bytes;
use flate2::Compression;
use hyper::{HeaderMap, header::ACCEPT_ENCODING};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::{JoinError, spawn_blocking},
};

use super::frame::{Frame, SEPARATOR};

/// So many bytes of packets are put into one body, or one packet.
pub const SHORT: usize = 64 << 10;
/// Payloads from this size on are compressed.
const COMPRESS_FROM: usize = 1024;
/// Packets of this size are compressed, or made a script, off the loop.
const ASIDE: usize = 8 << 10;

/// What all bodies share.
pub struct Bodies {
    /// So many are made at a time off the loop.
    makers: Semaphore,
    /// So many bytes of packets may be in long bodies that are not with the kernel yet.
    room: Arc<Semaphore>,
    most: u32,
}

/// A body, and its coding if it has one.
pub type Body = (Bytes, Option<Coding>);

/// What a body is made of.
pub struct Payload {
    /// The packets, in order.
    pub frames: Vec<Frame>,
    /// The number of the script that the client wants.
    pub jsonp: Option<String>,
    /// The coding that it prefers.
    pub coding: Option<Coding>,
}

/// A long body, which takes room for as long as any part of it is in memory.
struct Held {
    bytes: Bytes,
    _room: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Bodies {
    /// Room for long bodies of `most` bytes.
    pub fn new(most: usize) -> Bodies {
        let makers = thread::available_parallelism().map_or(1, NonZero::get).saturating_sub(1);
        let most = u32::try_from(most).unwrap_or(u32::MAX);
        Bodies {
            makers: Semaphore::new(makers.max(1)),
            room: Arc::new(Semaphore::new(most as usize)),
            most,
        }
    }

    /// Makes a body. A long one, which only one long packet makes, waits until there is room for it; as plain text
    /// it needs none, and so it is not compressed.
    ///
    /// # Errors
    /// When the server stops.
    pub async fn make(&self, payload: Payload) -> Result<Body, JoinError> {
        let size = payload.size();
        if size > SHORT
            && let Some(shared) = payload.lone_text()
        {
            return Ok((shared, None));
        }
        if size < ASIDE || size <= SHORT && payload.is_plain() {
            return Ok(payload.encode());
        }
        let room = if size > SHORT { self.room(size).await } else { None };
        // It is never closed.
        let _maker = self.makers.acquire().await;
        let (bytes, coding) = spawn_blocking(move || payload.encode()).await?;
        let bytes = match room {
            Some(room) => Bytes::from_owner(Held { bytes, _room: room }),
            None => bytes,
        };
        Ok((bytes, coding))
    }

    async fn room(&self, size: usize) -> Option<OwnedSemaphorePermit> {
        // One body may be of any size.
        let size = u32::try_from(size).unwrap_or(u32::MAX).min(self.most);
        self.room.clone().acquire_many_owned(size).await.ok()
    }
}

impl Payload {
    fn size(&self) -> usize {
        self.frames.iter().map(Frame::size).sum()
    }

    fn is_plain(&self) -> bool {
        self.jsonp.is_none() && self.coding.is_none()
    }

    /// The packet itself, if it is all and goes out as it is.
    fn lone_text(&self) -> Option<Bytes> {
        match (&self.frames[..], &self.jsonp) {
            ([frame], None) => frame.shared_text(),
            _ => None,
        }
    }

    fn encode(self) -> Body {
        let payload = encode_jsonp(join(&self.frames), self.jsonp.as_deref());
        match self.coding.filter(|_| payload.len() >= COMPRESS_FROM) {
            None => (payload.into(), None),
            Some(coding) => (coding.encode(&payload).into(), Some(coding)),
        }
    }
}

/// The payload of these packets.
pub fn join(frames: &[Frame]) -> Vec<u8> {
    let mut payload = Vec::with_capacity(frames.iter().map(Frame::size).sum());
    for (i, frame) in frames.iter().enumerate() {
        if i > 0 {
            payload.push(SEPARATOR);
        }
        frame.append_to_payload(&mut payload);
    }
    payload
}

/// A payload, as the script that a JSONP client wants.
pub fn encode_jsonp(payload: Vec<u8>, jsonp: Option<&str>) -> Vec<u8> {
    let Some(number) = jsonp else { return payload };
    let mut out = format!("___eio[{number}](").into_bytes();
    let text = String::from_utf8_lossy(&payload);
    let mut literal = Vec::new();
    crate::js::write_string(&text, &mut literal);
    // The two line separators are no characters of a script's string in old browsers.
    let literal = String::from_utf8_lossy(&literal)
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029");
    out.extend_from_slice(literal.as_bytes());
    out.extend_from_slice(b");");
    out
}

/// A content coding that payloads may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// `gzip`.
    Gzip,
    /// `deflate`, in zlib's format.
    Deflate,
}

impl Coding {
    /// What `Accept-Encoding` prefers among gzip and deflate; of two that weigh the same, the one
    /// that is named first (section 2.8).
    pub fn preferred(headers: &HeaderMap) -> Option<Coding> {
        let texts: Vec<_> =
            headers.get_all(ACCEPT_ENCODING).iter().filter_map(|v| v.to_str().ok()).collect();
        let text = texts.join(",");
        // Weight and place of a coding in the list.
        let listed = |name: &str| {
            let named = |(place, part): (usize, &str)| {
                let (coding, q) = part.split_once(';').unwrap_or((part, "q=1"));
                let q = q.trim().strip_prefix("q=").and_then(|q| q.trim().parse::<f32>().ok());
                (coding.trim().eq_ignore_ascii_case(name)).then(|| (q.unwrap_or(1.0), place))
            };
            text.split(',').enumerate().find_map(named)
        };
        let any = listed("*").unwrap_or((0.0, 0));
        let gzip = listed("gzip").unwrap_or(any);
        let deflate = listed("deflate").unwrap_or(any);
        let deflate_first = deflate.0 > gzip.0 || (deflate.0 == gzip.0 && deflate.1 < gzip.1);
        match (gzip.0.max(deflate.0) > 0.0, deflate_first) {
            (false, _) => None,
            (true, true) => Some(Coding::Deflate),
            (true, false) => Some(Coding::Gzip),
        }
    }

    /// The name in `Content-Encoding`.
    pub fn name(self) -> &'static str {
        match self {
            Coding::Gzip => "gzip",
            Coding::Deflate => "deflate",
        }
    }

    /// Compresses.
    pub fn encode(self, data: &[u8]) -> Vec<u8> {
        use std::io::Write;
        let done = match self {
            Coding::Gzip => {
                let mut out = flate2::write::GzEncoder::new(Vec::new(), Compression::default());
                out.write_all(data).and_then(|()| out.finish())
            }
            Coding::Deflate => {
                let mut out = flate2::write::ZlibEncoder::new(Vec::new(), Compression::default());
                out.write_all(data).and_then(|()| out.finish())
            }
        };
        done.unwrap_or_default() // writing to memory does not fail
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use hyper::header::HeaderValue;
    use tokio::time::timeout;

    const WAIT: Duration = Duration::from_millis(20);

    fn payload(text: &str, jsonp: bool) -> Payload {
        let jsonp = jsonp.then(|| "0".to_owned());
        Payload { frames: vec![Frame::text(text.as_bytes())], jsonp, coding: Some(Coding::Gzip) }
    }

    #[tokio::test]
    async fn a_long_packet_goes_out_as_it_is() {
        let bodies = Bodies::new(1);
        let text = "4".repeat(SHORT + 1);
        let long = payload(&text, false);
        let frame = long.frames[0].clone();
        let (body, coding) = bodies.make(long).await.unwrap();
        assert!(body == text.as_bytes() && coding.is_none());
        assert_eq!(body.as_ptr(), frame.payload().as_ptr(), "its memory is the packet's");
        for length in [COMPRESS_FROM, ASIDE, SHORT - 10] {
            let (body, coding) = bodies.make(payload(&text[..length], false)).await.unwrap();
            assert!(body.len() < length && coding == Some(Coding::Gzip), "{length}");
        }
    }

    #[tokio::test]
    async fn long_bodies_wait_for_room() {
        let bodies = Bodies::new(3 * SHORT);
        let long = "4".repeat(2 * SHORT);
        let first = bodies.make(payload(&long, true)).await.unwrap();
        assert!(timeout(WAIT, bodies.make(payload(&long, true))).await.is_err());
        // All others are made.
        bodies.make(payload(&long, false)).await.unwrap();
        bodies.make(payload(&long[..SHORT / 2], true)).await.unwrap();
        drop(first);
        drop(bodies.make(payload(&long, true)).await.unwrap());
        // One may be of any length.
        bodies.make(payload(&"4".repeat(9 * SHORT), true)).await.unwrap();
    }

    #[tokio::test]
    async fn files_are_put_in_a_script_too() {
        let frames = vec![Frame::text(b"451-[]"), Frame::binary(&[1, 2, 3])];
        let payload = Payload { frames, jsonp: Some("7".into()), coding: None };
        let (body, _) = Bodies::new(1).make(payload).await.unwrap();
        assert_eq!(&body[..], br#"___eio[7]("451-[]\u001ebAQID");"#);
    }

    #[test]
    fn codings_are_chosen_by_weight() {
        let choice = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(text));
            Coding::preferred(&headers)
        };
        assert_eq!(choice("gzip, deflate, br"), Some(Coding::Gzip));
        assert_eq!(choice("deflate"), Some(Coding::Deflate));
        assert_eq!(choice("deflate, gzip"), Some(Coding::Deflate));
        assert_eq!(choice("gzip;q=0.5, deflate;q=0.8"), Some(Coding::Deflate));
        assert_eq!(choice("gzip;q=0"), None);
        assert_eq!(choice("br"), None);
        assert_eq!(choice("*"), Some(Coding::Gzip));
    }
}
