//! Keep-alive HTTP/1.1 with one request at a time.

use memchr::memmem;

/// The answers on one connection.
#[derive(Debug, Default)]
pub struct Answers {
    partial: Vec<u8>,
}

/// An answer.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// Its status.
    pub status: u16,
    /// Its body.
    pub body: &'a [u8],
}

impl Answers {
    /// Takes bytes in, and gives out each answer that they complete.
    pub fn feed(&mut self, bytes: &[u8], mut each: impl FnMut(Answer<'_>)) {
        self.partial.extend_from_slice(bytes);
        let mut rest = &self.partial[..];
        while let Some((answer, after)) = split(rest) {
            each(answer);
            rest = after;
        }
        let used = self.partial.len() - rest.len();
        self.partial.drain(..used);
    }
}

/// The answer at the start of `bytes`, and what follows it.
///
/// The routes that are asked here always tell their length: `http-and-redis.md` section 1, `realtime.md` section 2.
fn split(bytes: &[u8]) -> Option<(Answer<'_>, &[u8])> {
    let head_end = memmem::find(bytes, b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&bytes[..head_end]).ok()?;
    let status: u16 = head.get(9..12)?.parse().ok()?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        if !name.eq_ignore_ascii_case("content-length") {
            return None;
        }
        value.trim().parse().ok()
    });
    let end = head_end + if status == 101 { 0 } else { length.unwrap_or(0) };
    Some((Answer { status, body: bytes.get(head_end..end)? }, &bytes[end..]))
}

/// A GET request.
pub fn get(path: &str, cookie: Option<&str>) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{}\r\n", cookie_line(cookie)).into_bytes()
}

/// A POST request with a body of a media type.
pub fn post(path: &str, cookie: Option<&str>, media_type: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\n{}Content-Type: {media_type}\r\nContent-Length: {}\r\n\r\n{body}",
        cookie_line(cookie),
        body.len()
    )
    .into_bytes()
}

/// The request that opens a WebSocket.
pub fn websocket(query: &str, cookie: Option<&str>) -> Vec<u8> {
    format!(
        "GET /socket.io/?EIO=4&transport=websocket{query} HTTP/1.1\r\nHost: localhost\r\n{}Upgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        cookie_line(cookie)
    )
    .into_bytes()
}

fn cookie_line(cookie: Option<&str>) -> String {
    cookie.map_or(String::new(), |cookie| format!("Cookie: {cookie}\r\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_out_however_they_are_cut() {
        let bytes =
            b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabcHTTP/1.1 304 Not Modified\r\n\r\n";
        for cut in 0..bytes.len() {
            let (mut answers, mut seen) = (Answers::default(), Vec::new());
            for part in [&bytes[..cut], &bytes[cut..]] {
                answers.feed(part, |answer| seen.push((answer.status, answer.body.to_vec())));
            }
            assert_eq!(seen, [(200, b"abc".to_vec()), (304, Vec::new())], "cut at {cut}");
        }
    }
}
