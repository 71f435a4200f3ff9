//! One packet for each of many sockets, sent by one system call where the kernel has a way to do so
//! (io_uring). Where it has none, each is sent by itself.

use std::{io, os::fd::AsFd as _, rc::Rc};

use batch_send::Ring;

use super::{
    Key,
    frame::Frame,
    socket::{Socket, Written},
};

/// From so many sockets on it is worth it.
const MIN_SOCKETS: usize = 2;

/// The packets of one turn.
pub(super) struct Batch {
    ring: Option<Ring>,
    packets: Vec<(Key, Rc<Socket>, Frame)>,
}

impl Batch {
    /// An empty batch. If it is not `wanted`, or the kernel has no way, nothing is [worth](Self::is_worth) it.
    pub(super) fn new(wanted: bool) -> Batch {
        let ring = wanted.then(Ring::new);
        if let Some(Err(why)) = &ring {
            tracing::info!(%why, "without io_uring: each packet is sent by itself");
        }
        Batch { ring: ring.and_then(Result::ok), packets: Vec::new() }
    }

    /// Whether the packets of so many sockets are to be sent by this.
    pub(super) fn is_worth(&self, sockets: usize) -> bool {
        self.ring.is_some() && sockets >= MIN_SOCKETS
    }

    /// Puts a packet in, for a socket that [is free](Socket::is_free).
    pub(super) fn push(&mut self, key: Key, socket: Rc<Socket>, frame: Frame) {
        self.packets.push((key, socket, frame));
    }

    /// Sends all packets, and tells what came of each.
    pub(super) fn send(&mut self, now: u64, mut done: impl FnMut(Key, Rc<Socket>, Written)) {
        let Some(ring) = &mut self.ring else { return };
        let sends: Vec<_> =
            self.packets.iter().map(|(_, socket, frame)| (socket.as_fd(), frame.wire())).collect();
        let mut written = vec![None; sends.len()];
        let sent = ring.send(&sends, |i, taken| {
            let (_, socket, frame) = &self.packets[i];
            written[i] = Some(socket.sent(frame, taken, now));
        });
        if let Err(why) = sent {
            tracing::error!(%why, "io_uring failed: from now on each packet is sent by itself");
            self.ring = None;
        }
        for ((key, socket, frame), written) in self.packets.drain(..).zip(written) {
            // What the ring did not send waits like what a socket did not take.
            let unsent = || socket.sent(&frame, Err(io::ErrorKind::WouldBlock.into()), now);
            let written = written.unwrap_or_else(unsent);
            done(key, socket, written);
        }
    }
}
