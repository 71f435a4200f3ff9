//! The table of sessions, as plain data.

use std::{collections::HashMap, rc::Rc};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::Rng;
use slab::Slab;
use tokio::sync::Notify;

use super::{
    Key,
    frame::Frame,
    session::{End, Limits, Millis, Session},
    socket::Socket,
    wheel::{TICK_MS, Wheel},
};
use crate::limits::sockets::Seat;

/// An engine session id: 20 characters, unguessable.
pub(super) type Sid = [u8; 20];

pub(super) struct Entry {
    pub(super) generation: u32,
    pub(super) sid: Sid,
    pub(super) session: Session<Rc<Socket>>,
    pub(super) dirty: bool,
    pub(super) doomed: bool,
    pub(super) draining: bool,
    /// The earliest tick at which the wheel reminds of this session.
    pub(super) reminded: u64,
    /// Set while the session's input must wait; its readers wait for the notification.
    pub(super) pause: Option<Rc<Notify>>,
    /// Counts the session as long as it lives.
    pub(super) seat: Option<Seat>,
}

impl Entry {
    /// Takes the packet that waits, if it is the only one and its WebSocket can send it now.
    pub(super) fn take_lone_packet(&mut self) -> Option<(Rc<Socket>, Frame)> {
        let socket = self.session.wire().filter(|socket| socket.is_free())?.clone();
        if self.session.queue.len() != 1 {
            return None;
        }
        self.dirty = false;
        let frame = self.session.queue.pop()?;
        self.session.queue.pop(); // gives the buffer of the empty queue back
        Some((socket, frame))
    }
}

#[derive(Default)]
pub(super) struct Table {
    pub(super) sessions: Slab<Entry>,
    pub(super) by_sid: HashMap<Sid, Key>,
    pub(super) generation: u32,
    pub(super) dirty: Vec<Key>,
    pub(super) doomed: Vec<(Key, End)>,
    pub(super) wheel: Wheel,
    pub(super) draining: bool,
}

impl Table {
    pub(super) fn get(&mut self, key: Key) -> Option<&mut Entry> {
        self.sessions.get_mut(key.index()).filter(|entry| entry.generation == key.generation)
    }

    /// Queues a packet and remembers the session for the flush. True if it is the first one.
    pub(super) fn push(&mut self, key: Key, frame: &Frame, limits: &Limits) -> bool {
        let Some(entry) = self.get(key) else { return false };
        if entry.doomed {
            return false;
        }
        let doomed = !entry.session.push(frame.clone(), limits);
        entry.doomed = doomed;
        let newly = !std::mem::replace(&mut entry.dirty, true);
        if doomed {
            self.doomed.push((key, End::SlowReader));
        }
        if newly {
            self.dirty.push(key);
        }
        newly && self.dirty.len() == 1 || doomed
    }

    pub(super) fn remind(&mut self, key: Key, at: Millis) {
        let tick = at.div_ceil(TICK_MS);
        if let Some(entry) = self.get(key)
            && tick < entry.reminded
        {
            entry.reminded = tick;
            self.wheel.remind(tick, key);
        }
    }
}

/// A new id.
pub(super) fn new_sid() -> Sid {
    let mut random = [0; 15];
    rand::rng().fill(&mut random);
    let mut sid = [0; 20];
    // 15 bytes are 20 characters exactly, so this can't fail.
    let _ = URL_SAFE_NO_PAD.encode_slice(random, &mut sid);
    sid
}
