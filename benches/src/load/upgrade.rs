//! A chat client that begins with polling and upgrades, in the steps of the stock client (`realtime.md` section 4).
//!
//! Two connections, since a browser has a GET held while it does the rest: one for polling, one that becomes the
//! WebSocket. It pauses polling before it says `5`, as the stock client does.

use std::net::SocketAddr;

use super::{
    frame,
    http::{self, Answer, Answers},
    net::{ConnId, Net},
};
use crate::error::Error;

/// The client.
#[derive(Debug)]
pub struct Upgrader {
    address: SocketAddr,
    cookie: String,
    polling: Option<ConnId>,
    websocket: Option<ConnId>,
    sid: String,
    answers: Answers,
    frames: Vec<u8>,
    opened: bool,
    polls: Polls,
    probed: bool,
    done: bool,
}

/// What is under way on the polling connection.
#[derive(Debug, PartialEq, Eq)]
enum Polls {
    Handshake,
    /// The POST with CONNECT.
    Connect,
    /// A held GET.
    Held,
    /// Paused for the upgrade.
    Idle,
}

impl Upgrader {
    /// Begins.
    pub fn new(net: &mut Net, address: SocketAddr, cookie: String) -> Result<Upgrader, Error> {
        let polling = net.connect(address)?;
        net.send(polling, &http::get("/socket.io/?EIO=4&transport=polling", Some(&cookie)));
        Ok(Upgrader {
            address,
            cookie,
            polling: Some(polling),
            websocket: None,
            sid: String::new(),
            answers: Answers::default(),
            frames: Vec::new(),
            opened: false,
            polls: Polls::Handshake,
            probed: false,
            done: false,
        })
    }

    /// Its connections.
    pub fn conns(&self) -> impl Iterator<Item = ConnId> {
        [self.polling, self.websocket].into_iter().flatten()
    }

    /// One of its connections is gone.
    pub fn closed(&mut self, conn: ConnId) {
        for own in [&mut self.polling, &mut self.websocket] {
            if *own == Some(conn) {
                *own = None;
            }
        }
    }

    /// Whether the WebSocket has taken over.
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// Takes bytes of one of its connections in. Gives a further connection of its own, if it made one.
    pub fn feed(
        &mut self,
        net: &mut Net,
        conn: ConnId,
        bytes: &[u8],
    ) -> Result<Option<ConnId>, Error> {
        if Some(conn) == self.websocket {
            self.frames.extend_from_slice(bytes);
            self.read_frames(net);
            return Ok(None);
        }
        let mut answers = std::mem::take(&mut self.answers);
        let mut seen = Vec::new();
        answers.feed(bytes, |Answer { status, body }| seen.push((status, body.to_vec())));
        self.answers = answers;
        let mut made = None;
        for (status, body) in seen {
            if status != 200 {
                return Err(Error::new(format!("a polling request was answered {status}")));
            }
            made = self.answered(net, &body)?.or(made);
        }
        Ok(made)
    }

    fn answered(&mut self, net: &mut Net, body: &[u8]) -> Result<Option<ConnId>, Error> {
        match self.polls {
            Polls::Handshake => {
                let text = String::from_utf8_lossy(body);
                let sid = text.split_once(r#""sid":""#).and_then(|(_, rest)| rest.split_once('"'));
                let (sid, _) = sid.ok_or_else(|| Error::new(format!("no open packet: {text}")))?;
                self.sid = sid.to_owned();
                let path = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
                let media_type = "text/plain;charset=UTF-8";
                self.ask(net, &http::post(&path, Some(&self.cookie), media_type, "40"));
                self.polls = Polls::Connect;
                let websocket = net.connect(self.address)?;
                let query = format!("&sid={sid}");
                net.send(websocket, &http::websocket(&query, Some(&self.cookie)));
                self.websocket = Some(websocket);
                Ok(Some(websocket))
            }
            Polls::Connect | Polls::Held => {
                // Noop ends the pause's wait; anything else is the chat's.
                if self.probed {
                    self.polls = Polls::Idle;
                    self.take_over(net);
                } else {
                    self.poll(net);
                }
                Ok(None)
            }
            Polls::Idle => Ok(None),
        }
    }

    fn ask(&self, net: &mut Net, request: &[u8]) {
        if let Some(polling) = self.polling {
            net.send(polling, request);
        }
    }

    fn poll(&mut self, net: &mut Net) {
        let path = format!("/socket.io/?EIO=4&transport=polling&sid={}", self.sid);
        self.ask(net, &http::get(&path, Some(&self.cookie)));
        self.polls = Polls::Held;
    }

    fn read_frames(&mut self, net: &mut Net) {
        let Some(websocket) = self.websocket else { return };
        if !self.opened {
            let Some(end) = memchr::memmem::find(&self.frames, b"\r\n\r\n") else { return };
            self.frames.drain(..end + 4);
            self.opened = true;
            send(net, websocket, "2probe");
        }
        let mut rest = &self.frames[..];
        let mut probed = false;
        while let Some((_, payload, after)) = frame::split(rest) {
            probed |= payload == b"3probe";
            if payload == b"2" {
                send(net, websocket, "3");
            }
            rest = after;
        }
        let used = self.frames.len() - rest.len();
        self.frames.drain(..used);
        if probed {
            self.probed = true;
            if self.polls == Polls::Idle {
                self.take_over(net);
            }
        }
    }

    fn take_over(&mut self, net: &mut Net) {
        if let (Some(websocket), false) = (self.websocket, self.done) {
            send(net, websocket, "5");
            self.done = true;
        }
    }
}

fn send(net: &mut Net, conn: ConnId, packet: &str) {
    let mut out = Vec::new();
    frame::push_text(&mut out, packet.as_bytes());
    net.send(conn, &out);
}
