//! One chat socket over WebSocket: opening, CONNECT, heartbeats, packets.

use memchr::memmem;

use super::{
    frame, http,
    net::{ConnId, Net},
};

/// A socket and how far it has come.
#[derive(Debug)]
pub struct Socket {
    conn: ConnId,
    stage: Stage,
    /// Bytes of a frame, or of the answer's head, that is not whole yet.
    partial: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The answer to the upgrade is due.
    Upgrading,
    /// The open packet, or the answer to CONNECT, is due.
    Joining,
    Joined,
    Ended,
}

/// What a socket has to say.
#[derive(Debug)]
pub enum Said<'a> {
    /// It has joined the chat.
    Joined,
    /// A packet came; Engine.IO's own are handled here.
    Packet(&'a [u8]),
}

impl Socket {
    /// On a connection that is being made.
    pub fn new(net: &mut Net, conn: ConnId, cookie: Option<&str>) -> Socket {
        // Kept until the connection is up.
        net.send(conn, &http::websocket("", cookie));
        Socket { conn, stage: Stage::Upgrading, partial: Vec::new() }
    }

    /// Its connection.
    pub fn conn(&self) -> ConnId {
        self.conn
    }

    /// Whether it is in the chat.
    pub fn is_joined(&self) -> bool {
        self.stage == Stage::Joined
    }

    /// Whether its connection is gone.
    pub fn has_ended(&self) -> bool {
        self.stage == Stage::Ended
    }

    /// Its connection is gone.
    pub fn ended(&mut self) {
        self.stage = Stage::Ended;
        self.partial = Vec::new();
    }

    /// Sends one packet.
    pub fn send(&self, net: &mut Net, packet: &str) {
        if self.has_ended() {
            return;
        }
        let mut out = Vec::with_capacity(packet.len() + 8);
        frame::push_text(&mut out, packet.as_bytes());
        net.send(self.conn, &out);
    }

    /// Takes bytes in.
    pub fn feed(&mut self, net: &mut Net, bytes: &[u8], mut say: impl FnMut(Said<'_>)) {
        if self.partial.is_empty() {
            let left = self.take(net, bytes, &mut say);
            self.partial.extend_from_slice(&bytes[bytes.len() - left..]);
        } else {
            let mut whole = std::mem::take(&mut self.partial);
            whole.extend_from_slice(bytes);
            let left = self.take(net, &whole, &mut say);
            whole.drain(..whole.len() - left);
            // Many idle sockets: nothing is kept for none.
            self.partial = if whole.is_empty() { Vec::new() } else { whole };
        }
    }

    /// How many bytes at the end are of something that is not whole.
    fn take(&mut self, net: &mut Net, bytes: &[u8], say: &mut impl FnMut(Said<'_>)) -> usize {
        let mut rest = bytes;
        if self.stage == Stage::Upgrading {
            let Some(end) = memmem::find(rest, b"\r\n\r\n") else { return rest.len() };
            if !rest.starts_with(b"HTTP/1.1 101") {
                net.close(self.conn);
                self.ended();
                return 0;
            }
            self.stage = Stage::Joining;
            rest = &rest[end + 4..];
        }
        while let Some((opcode, payload, after)) = frame::split(rest) {
            rest = after;
            if opcode == 1 {
                self.packet(net, payload, say);
            }
        }
        rest.len()
    }

    fn packet(&mut self, net: &mut Net, packet: &[u8], say: &mut impl FnMut(Said<'_>)) {
        match packet {
            [b'4', b'2', ..] => say(Said::Packet(packet)),
            [b'0', ..] => self.send(net, "40"),
            [b'2'] => self.send(net, "3"),
            [b'4', b'0', b'{', ..] if self.stage == Stage::Joining => {
                self.stage = Stage::Joined;
                say(Said::Joined);
            }
            other => say(Said::Packet(other)),
        }
    }
}
