//! The Engine.IO session: a state machine without sockets (`realtime.md` sections 2 to 5).
//!
//! The session owns the queue of outgoing packets. A transport takes from it what it can hand over
//! at once. An upgrade is a second, provisional transport beside polling: until the client says
//! that the WebSocket takes over, any failure of it only drops it.

use std::time::Duration;

use tokio::sync::oneshot;

use super::{
    frame::{Frame, POLICY_VIOLATION, TRY_AGAIN_LATER},
    packet::Packet,
    payload::SHORT,
    queue::Queue,
};
use crate::limits::bucket::{Bucket, Rate};

/// A time in milliseconds since the engine started.
pub type Millis = u64;

/// During an upgrade a held GET is released this often.
const RELEASE_MS: Millis = 100;

/// A WebSocket as the session sees it.
pub trait Wire {
    /// Sends one frame at once, ahead of nothing: only on a wire without a queue.
    fn send(&self, frame: &Frame);
    /// Sends a close frame without a status and closes.
    fn close(&self);
    /// The same to a client that gives no sign of life, or does not read: its answer is hardly waited for.
    fn give_up(&self);
    /// Sends a close frame with a status that tells why and closes.
    fn refuse(&self, status: u16, why: &'static str);
    /// Whether this is the same connection.
    fn same(&self, other: &Self) -> bool;
}

/// The limits of all sessions.
#[derive(Debug, Clone)]
pub struct Limits {
    /// From a pong to the next ping.
    pub ping_interval: Duration,
    /// From a ping to the end without a sign of life.
    pub ping_timeout: Duration,
    /// From the opening of a provisional WebSocket to its end without an upgrade.
    pub upgrade_timeout: Duration,
    /// From the opening of a session to its end without a namespace.
    pub connect_timeout: Duration,
    /// Bytes that may wait in a queue.
    pub queue_bytes: usize,
    /// Packets that may wait in a queue.
    pub queue_packets: usize,
    /// How often the client may send a message, if that is limited.
    pub events: Option<Rate>,
}

/// What a held GET is answered with.
#[derive(Debug)]
pub enum Answer {
    /// The packets that were waiting; never none.
    Packets(Vec<Frame>),
    /// 500: another GET came while one was held.
    Conflict,
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The transport was lost or the client closed it.
    TransportClosed,
    /// The client sent a close packet or what can't be understood.
    Client,
    /// No sign of life in time.
    PingTimeout,
    /// The layer above closed it.
    Server,
    /// The client sent more while too much of clients was waiting, for the store or for its rest.
    Flooding,
    /// The client sent more messages than it may.
    TooMany,
    /// Too much was waiting for this reader, or its connection stood still.
    SlowReader,
}

/// What a session does with a packet of its client.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing more.
    Done,
    /// The packet is a message: the layer above gets it.
    Deliver,
    /// The session is over.
    End(End),
}

/// What became of a GET.
#[derive(Debug, PartialEq, Eq)]
pub enum Polled {
    /// It waits for its answer, or has it already.
    Held,
    /// Another one was held: 500, and the session is over.
    Conflict,
    /// The session is on a WebSocket: code 3.
    WrongTransport,
}

/// What became of a POST.
#[derive(Debug, PartialEq, Eq)]
pub enum Posted {
    /// Its body may be read.
    Begun,
    /// Another one is still arriving: 500, and the session must end (section 2.5).
    Conflict,
    /// The session is on a WebSocket: code 3.
    WrongTransport,
}

enum Transport<W> {
    Polling { held: Option<oneshot::Sender<Answer>>, posting: bool },
    WebSocket(W),
}

struct Probe<W> {
    wire: W,
    deadline: Millis,
    /// After the probe's answer: when a held GET is released next.
    release: Option<Millis>,
}

enum Heart {
    PingAt(Millis),
    DeadAt(Millis),
}

/// One Engine.IO session.
pub struct Session<W> {
    transport: Transport<W>,
    probe: Option<Probe<W>>,
    /// Packets that wait for a transport.
    pub queue: Queue,
    heart: Heart,
    join_by: Option<Millis>,
    over_limit: bool,
    sent: Bucket,
}

impl<W: Wire> Session<W> {
    /// A session opened by a polling handshake.
    pub fn polling(now: Millis, limits: &Limits) -> Session<W> {
        Session::new(Transport::Polling { held: None, posting: false }, now, limits)
    }

    /// A session opened on a WebSocket.
    pub fn websocket(wire: W, now: Millis, limits: &Limits) -> Session<W> {
        Session::new(Transport::WebSocket(wire), now, limits)
    }

    fn new(transport: Transport<W>, now: Millis, limits: &Limits) -> Session<W> {
        Session {
            transport,
            probe: None,
            queue: Queue::default(),
            heart: Heart::PingAt(now + ms(limits.ping_interval)),
            join_by: Some(now + ms(limits.connect_timeout)),
            over_limit: false,
            sent: Bucket::default(),
        }
    }

    /// Queues a packet. Returns false when the queue went over its limits: the session must end.
    pub fn push(&mut self, frame: Frame, limits: &Limits) -> bool {
        self.queue.push(frame);
        self.over_limit |=
            self.queue.bytes() > limits.queue_bytes || self.queue.len() > limits.queue_packets;
        !self.over_limit
    }

    /// The WebSocket that carries the session, if one does.
    pub fn wire(&self) -> Option<&W> {
        match &self.transport {
            Transport::WebSocket(wire) => Some(wire),
            Transport::Polling { .. } => None,
        }
    }

    /// A namespace was joined: the session need not end for want of one.
    pub fn joined(&mut self) {
        self.join_by = None;
    }

    /// A GET came. Its answer goes through `reply` (section 2.3, 2.5).
    pub fn get(&mut self, reply: oneshot::Sender<Answer>) -> Polled {
        let Transport::Polling { held, .. } = &mut self.transport else {
            return Polled::WrongTransport;
        };
        if held.as_ref().is_some_and(|held| !held.is_closed()) {
            let _ = reply.send(Answer::Conflict);
            return Polled::Conflict;
        }
        *held = Some(reply);
        self.flush_polling();
        Polled::Held
    }

    /// Answers a held GET with what waits, as far as it is short (section 2.3): the client asks again at once.
    pub fn flush_polling(&mut self) {
        if self.queue.is_empty() {
            return;
        }
        if let Transport::Polling { held, .. } = &mut self.transport
            && let Some(reply) = held.take()
        {
            let _ = reply.send(Answer::Packets(self.queue.take(SHORT)));
        }
    }

    fn release(&mut self, packet: &[u8]) {
        if let Transport::Polling { held, .. } = &mut self.transport
            && let Some(reply) = held.take()
        {
            let _ = reply.send(Answer::Packets(vec![Frame::text(packet)]));
        }
    }

    /// A POST begins.
    pub fn begin_post(&mut self) -> Posted {
        match &mut self.transport {
            Transport::WebSocket(_) => Posted::WrongTransport,
            Transport::Polling { posting: true, .. } => Posted::Conflict,
            Transport::Polling { posting, .. } => {
                *posting = true;
                Posted::Begun
            }
        }
    }

    /// The body of a POST is complete.
    pub fn end_post(&mut self) {
        if let Transport::Polling { posting, .. } = &mut self.transport {
            *posting = false;
        }
    }

    /// A packet came by POST, or on the WebSocket that carries the session.
    pub fn receive(&mut self, packet: &Packet<'_>, now: Millis, limits: &Limits) -> Step {
        let on_websocket = self.wire().is_some();
        match (packet, &self.heart) {
            (Packet::Malformed, _) => return Step::End(End::Client),
            // Any sign of life counts as the answer to a ping that is due, so that a client is
            // pinged again; a pong nobody asked for moves the next ping.
            (_, Heart::DeadAt(_)) | (Packet::Pong, _) => {
                self.heart = Heart::PingAt(now + ms(limits.ping_interval));
            }
            _ => {}
        }
        match packet {
            Packet::Text(_) | Packet::Binary(_) => match limits.events {
                Some(rate) if self.sent.take(rate, now * 1000).is_err() => Step::End(End::TooMany),
                _ => Step::Deliver,
            },
            Packet::Close if !on_websocket => {
                self.release(b"6");
                Step::End(End::Client)
            }
            _ => Step::Done,
        }
    }

    /// A WebSocket opened with this session's id. False if it must be closed, because the session
    /// is on one or another one probes already (section 4.4).
    pub fn open_probe(&mut self, wire: W, now: Millis, limits: &Limits) -> bool {
        if self.wire().is_some() || self.probe.is_some() {
            return false;
        }
        let deadline = now + ms(limits.upgrade_timeout);
        self.probe = Some(Probe { wire, deadline, release: None });
        true
    }

    /// Whether this WebSocket is the provisional one.
    pub fn probes(&self, wire: &W) -> bool {
        self.probe.as_ref().is_some_and(|probe| probe.wire.same(wire))
    }

    /// A packet came on the provisional WebSocket (sections 4.1, 4.3, 4.5). True if it took over.
    pub fn receive_on_probe(&mut self, packet: &Packet<'_>, now: Millis, limits: &Limits) -> bool {
        let Some(mut probe) = self.probe.take() else { return false };
        match packet {
            Packet::Probe => {
                probe.wire.send(&Frame::text(b"3probe"));
                probe.release = Some(now + RELEASE_MS);
                self.probe = Some(probe);
                false
            }
            Packet::Upgrade => {
                self.release(b"6");
                self.transport = Transport::WebSocket(probe.wire);
                if let Heart::DeadAt(_) = self.heart {
                    self.heart = Heart::PingAt(now + ms(limits.ping_interval));
                }
                true
            }
            _ => {
                probe.wire.close();
                false
            }
        }
    }

    /// The provisional WebSocket was lost.
    pub fn drop_probe(&mut self) {
        self.probe = None;
    }

    /// Does what is due. `Some` if the session is over.
    pub fn tick(&mut self, now: Millis, limits: &Limits) -> Option<End> {
        if let Some(probe) = &mut self.probe {
            if probe.deadline <= now {
                probe.wire.close();
                self.probe = None;
            } else if probe.release.is_some_and(|at| at <= now) {
                probe.release = Some(now + RELEASE_MS);
                self.release(b"6");
            }
        }
        if self.join_by.is_some_and(|at| at <= now) {
            return Some(End::Server);
        }
        match self.heart {
            Heart::PingAt(at) if at <= now => {
                self.heart = Heart::DeadAt(now + ms(limits.ping_timeout));
                let ping = Frame::text(b"2");
                // Behind what takes many GETs it would come too late to be answered in time.
                if self.wire().is_none() && self.queue.bytes() > SHORT {
                    self.queue.push_first(ping);
                } else if !self.push(ping, limits) {
                    return Some(End::SlowReader);
                }
                None
            }
            Heart::DeadAt(at) if at <= now => Some(End::PingTimeout),
            _ => None,
        }
    }

    /// When [`tick`](Self::tick) has something to do next.
    pub fn next_tick(&self) -> Millis {
        let (Heart::PingAt(heart) | Heart::DeadAt(heart)) = self.heart;
        let probe = self.probe.as_ref().map(|p| p.release.unwrap_or(p.deadline).min(p.deadline));
        [self.join_by, probe].into_iter().flatten().fold(heart, Millis::min)
    }

    /// Ends the session: a held GET gets the close packet, its WebSockets a close frame
    /// (sections 2.4, 3.4, 5), which says why if the client sent too much. What was queued is dropped.
    pub fn end(mut self, why: End) {
        self.release(b"1");
        if let Some(probe) = &self.probe {
            probe.wire.close();
        }
        if let Transport::WebSocket(wire) = &self.transport {
            match why {
                End::TooMany => wire.refuse(POLICY_VIOLATION, "Too many events in a short time"),
                End::Flooding => wire.refuse(TRY_AGAIN_LATER, "Too much is waiting here"),
                End::PingTimeout | End::SlowReader => wire.give_up(),
                _ => wire.close(),
            }
        }
    }
}

fn ms(duration: Duration) -> Millis {
    duration.as_millis() as Millis
}

#[cfg(test)]
mod tests;
