//! The reader of WebSocket frames, held against itself in other pieces and against tungstenite.

use std::io::{self, Cursor, Read, Write};

use redis_chat_server::engine::reader::{Event, Reader, Violation};
use tungstenite::{
    Message,
    error::{Error, ProtocolError},
    protocol::{Role, WebSocket, WebSocketConfig},
};

use super::choice;

/// The largest message.
pub const LIMIT: usize = 300;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Close(Option<u16>),
    Failed(u16),
}

/// Two sizes of pieces, then what a client sent.
pub fn run(mut data: &[u8]) {
    let cuts = [choice(&mut data), choice(&mut data)].map(|cut| usize::from(cut).max(1));
    let whole = read(data, &[data.len().max(1)]);
    assert_eq!(read(data, &cuts), whole, "in pieces of {cuts:?}");
    assert_eq!(read(data, &[1]), whole, "byte by byte");
    let bytes: usize = whole.iter().map(size).sum();
    assert!(bytes <= data.len(), "more came out than went in");
    assert!(whole.iter().all(|seen| size(seen) <= LIMIT), "larger than the limit");
    let last = |seen: &&Seen| matches!(seen, Seen::Close(_) | Seen::Failed(_));
    assert!(whole.iter().rev().skip(1).find(last).is_none(), "nothing after the end");
    compare(&whole, data);
}

fn read(stream: &[u8], cuts: &[usize]) -> Vec<Seen> {
    let mut reader = Reader::default();
    let mut seen = Vec::new();
    let mut rest = stream;
    let mut cuts = cuts.iter().cycle();
    while !rest.is_empty() && !matches!(seen.last(), Some(Seen::Failed(_) | Seen::Close(_))) {
        let (now, later) = rest.split_at(cuts.next().map_or(1, |cut| (*cut).min(rest.len())));
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
        if let Err(violation) = result {
            seen.push(Seen::Failed(violation as u16));
        }
    }
    seen
}

fn size(seen: &Seen) -> usize {
    match seen {
        Seen::Text(text) => text.len(),
        Seen::Binary(data) | Seen::Ping(data) => data.len(),
        Seen::Close(_) | Seen::Failed(_) => 0,
    }
}

fn compare(ours: &[Seen], stream: &[u8]) {
    let theirs = tungstenite(stream);
    if ours == theirs {
        return;
    }
    // The library refuses bad UTF-8 in the first fragment that has it, we when the message is
    // complete: until then we go on, and then we refuse it too.
    if let Some((Seen::Failed(1007), before)) = theirs.split_last() {
        let rest = ours.strip_prefix(before).expect("the same up to the bad text");
        let pings = rest.iter().take_while(|seen| matches!(seen, Seen::Ping(_))).count();
        assert!(matches!(rest[pings..], [] | [Seen::Failed(_) | Seen::Close(_)]), "{rest:?}");
        return;
    }
    // The library does not know 1014, which was registered late; the original's does.
    if let Some((Seen::Close(Some(1014)), before)) = ours.split_last() {
        assert_eq!(theirs.split_last(), Some((&Seen::Failed(1002), before)));
        return;
    }
    // We refuse a header as soon as we have seen the fault, the library when it is complete.
    if let Some((Seen::Failed(_), before)) = ours.split_last()
        && theirs == before
    {
        let theirs = tungstenite(&[stream, &[0; LIMIT + 14]].concat());
        let rest = theirs.strip_prefix(before).expect("the same up to the fault");
        assert!(matches!(rest, [Seen::Failed(_)]), "{rest:?} instead of a fault");
        return;
    }
    // What has several faults may be refused for another one of them.
    if let (Some((Seen::Failed(_), ours)), Some((Seen::Failed(_), theirs))) =
        (ours.split_last(), theirs.split_last())
    {
        assert_eq!(ours, theirs);
        return;
    }
    panic!("{ours:?}, tungstenite {theirs:?}");
}

fn tungstenite(stream: &[u8]) -> Vec<Seen> {
    let config =
        WebSocketConfig::default().max_message_size(Some(LIMIT)).max_frame_size(Some(LIMIT));
    let pipe = Pipe(Cursor::new(stream));
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
                Seen::Failed(Violation::Protocol as u16)
            }
            Ok(Message::Close(frame)) => Seen::Close(frame.map(|frame| frame.code.into())),
            // The input is at its end.
            Err(Error::Io(_) | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => {
                return seen;
            }
            Err(Error::Utf8(_)) => Seen::Failed(Violation::NotUtf8 as u16),
            Err(Error::Capacity(_)) => Seen::Failed(Violation::TooBig as u16),
            Err(_) => Seen::Failed(Violation::Protocol as u16),
        });
        if matches!(seen.last(), Some(Seen::Failed(_) | Seen::Close(_))) {
            return seen;
        }
    }
}

/// Reads what was sent and swallows what the library answers.
struct Pipe<'a>(Cursor<&'a [u8]>);

impl Read for Pipe<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Pipe<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
