//! What drives the sessions: the flush at the end of a turn, the timer wheel, and the task that
//! reads from each WebSocket.

use std::{
    rc::{Rc, Weak},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    task::{spawn_local, yield_now},
    time::{MissedTickBehavior, interval, timeout},
};

use super::{
    Engine, Key,
    frame::TRY_AGAIN_LATER,
    line::Place,
    packet::Packet,
    reader::{Event, Reader},
    session::{End, Millis},
    socket::{CLOSE_PATIENCE, Socket, Written},
    table::{Entry, Table},
    wheel::TICK_MS,
};

/// Sends at the end of each turn of the loop what the turn has queued: one write per socket, that
/// carries all its packets. Yielding first lets everything that is ready queue its packets too.
pub(super) async fn flush_turns(engine: Rc<Engine>) {
    loop {
        engine.wake.notified().await;
        yield_now().await;
        engine.flush();
    }
}

/// Turns the timer wheel for as long as the engine lives.
pub(super) async fn keep_time(engine: Weak<Engine>) {
    let mut ticks = interval(Duration::from_millis(TICK_MS));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(engine) = engine.upgrade() else { return };
        engine.tick();
    }
}

impl Engine {
    fn flush(&self) {
        let dirty = std::mem::take(&mut self.table.borrow_mut().dirty);
        let mut batch = self.batch.borrow_mut();
        if batch.is_worth(dirty.len()) {
            let mut table = self.table.borrow_mut();
            for key in dirty {
                match table.get(key).and_then(Entry::take_lone_packet) {
                    Some((socket, frame)) => batch.push(key, socket, frame),
                    None => self.flush_session(&mut table, key),
                }
            }
            let now = self.now();
            batch.send(now, |key, socket, written| {
                self.written(&mut table, key, socket, written, now);
            });
        } else {
            for key in dirty {
                self.flush_session(&mut self.table.borrow_mut(), key);
            }
        }
        drop(batch);
        let doomed = std::mem::take(&mut self.table.borrow_mut().doomed);
        for (key, why) in doomed {
            self.end(key, why);
        }
    }

    /// Hands over what one session has to send.
    pub(super) fn flush_session(&self, table: &mut Table, key: Key) {
        let Some(entry) = table.get(key) else { return };
        entry.dirty = false;
        let Some(socket) = entry.session.wire().cloned() else {
            return entry.session.flush_polling();
        };
        let now = self.now();
        let mut buffer = self.write_buffer.borrow_mut();
        let written = socket.write(&mut entry.session.queue, &mut buffer, now);
        self.written(table, key, socket, written, now);
    }

    /// Sees to what a write came to: a connection that took only a part gets a task that waits for it.
    fn written(
        &self,
        table: &mut Table,
        key: Key,
        socket: Rc<Socket>,
        written: Written,
        now: Millis,
    ) {
        let Some(entry) = table.get(key) else { return };
        match written {
            Written::All => {}
            Written::Blocked => {
                if !std::mem::replace(&mut entry.draining, true)
                    && let Some(engine) = self.me.upgrade()
                {
                    spawn_local(engine.drain(key, socket));
                }
                table.remind(key, now + self.stall);
            }
            Written::Lost => {
                if !std::mem::replace(&mut entry.doomed, true) {
                    table.doomed.push((key, End::TransportClosed));
                    self.wake.notify_one();
                }
            }
        }
    }

    /// Waits for a connection that took only a part, and then sends more of the queue.
    pub(super) async fn drain(self: Rc<Self>, key: Key, socket: Rc<Socket>) {
        if socket.drain(|| self.now()).await.is_err() {
            return self.end(key, End::TransportClosed);
        }
        let mut table = self.table.borrow_mut();
        if let Some(entry) = table.get(key) {
            entry.draining = false;
            self.flush_session(&mut table, key);
        }
    }

    fn tick(&self) {
        let now = self.now();
        let due = self.table.borrow_mut().wheel.advance(now / TICK_MS);
        for key in due {
            let end = {
                let mut table = self.table.borrow_mut();
                let Some(entry) = table.get(key) else { continue };
                if entry.reminded <= now / TICK_MS {
                    entry.reminded = u64::MAX;
                }
                let before = entry.session.queue.len();
                let end = entry.session.tick(now, &self.limits);
                let queued = entry.session.queue.len() > before;
                let blocked = entry.session.wire().and_then(|socket| socket.blocked_since());
                let stalled = blocked.is_some_and(|since| since + self.stall <= now);
                let mut next = entry.session.next_tick();
                if let Some(since) = blocked {
                    next = next.min(since + self.stall);
                }
                if queued && !std::mem::replace(&mut entry.dirty, true) {
                    table.dirty.push(key);
                    self.wake.notify_one();
                }
                table.remind(key, next);
                end.or(stalled.then_some(End::SlowReader))
            };
            if let Some(why) = end {
                self.end(key, why);
            }
        }
    }

    /// Reads from a WebSocket until it is lost or closed. `early` came with the handshake.
    pub(super) async fn read(self: Rc<Self>, key: Key, socket: Rc<Socket>, early: Bytes) {
        let mut reader = Reader::default();
        let mut share = self.unfinished();
        let mut place = Place::default();
        if !early.is_empty() {
            self.feed(key, &socket, &mut reader, &mut early.to_vec());
        }
        drop(early); // even empty it keeps the HTTP connection's buffer alive
        while !socket.is_closing() {
            if let Some(go_on) = self.paused(key) {
                tokio::select! {
                    () = go_on.notified() => {}
                    () = socket.gone.notified() => {}
                }
                continue;
            }
            tokio::select! {
                biased;
                () = socket.gone.notified() => continue,
                ready = socket.stream().readable() => if ready.is_err() { break },
            }
            tokio::select! {
                biased;
                () = socket.gone.notified() => continue,
                () = self.line.turn(&mut place) => {},
            }
            if self.paused(key).is_some() {
                continue;
            }
            {
                let mut buffer = self.read_buffer.borrow_mut();
                match socket.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(n) => {
                        place.has_read(n);
                        self.feed(key, &socket, &mut reader, &mut buffer[..n]);
                    }
                    Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {}
                    Err(_) => break,
                }
            }
            if share.set(reader.held()).is_err() {
                tracing::warn!(
                    bytes = reader.held(),
                    "UNFINISHED_BYTES is reached: who sends half a message is closed"
                );
                socket.close_with(Some(TRY_AGAIN_LATER));
            }
        }
        drop((reader, share));
        self.lost(key, &socket);
        if socket.is_closing() {
            let _ = timeout(socket.close_patience(), self.discard(&socket)).await;
        }
        socket.abandon();
    }

    /// Closes a WebSocket that belongs to no session.
    pub(super) async fn close_unused(&self, socket: Rc<Socket>) {
        socket.close_with(None);
        let _ = timeout(CLOSE_PATIENCE, self.discard(&socket)).await;
    }

    async fn discard(&self, socket: &Socket) {
        let mut place = Place::default();
        while socket.stream().readable().await.is_ok() {
            self.line.turn(&mut place).await;
            match socket.read(&mut self.read_buffer.borrow_mut()) {
                Ok(n) if n > 0 => place.has_read(n),
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {}
                _ => return,
            }
        }
    }

    fn feed(&self, key: Key, socket: &Rc<Socket>, reader: &mut Reader, data: &mut [u8]) {
        let fed = reader.feed(data, self.max_payload, |event| self.on_event(key, socket, event));
        if let Err(violation) = fed {
            socket.close_with(Some(violation as u16));
        }
    }

    /// Handles one event of a WebSocket. False if nothing after it counts.
    fn on_event(&self, key: Key, socket: &Rc<Socket>, event: Event<'_>) -> bool {
        let packet = match event {
            Event::Text(text) => Packet::parse(text, false),
            Event::Binary(data) => Packet::Binary(data.to_vec()),
            Event::Ping(payload) => {
                socket.pong(payload);
                self.flush_session(&mut self.table.borrow_mut(), key);
                return true;
            }
            Event::Close(code) => {
                socket.close_with(code);
                return false;
            }
        };
        let mut table = self.table.borrow_mut();
        let Some(entry) = table.get(key) else {
            drop(table);
            socket.close_with(None);
            return false;
        };
        if !entry.session.probes(socket) {
            drop(table);
            return self.receive(key, &packet).is_ok() && !socket.is_closing();
        }
        let upgraded = entry.session.receive_on_probe(&packet, self.now(), &self.limits);
        let next = entry.session.next_tick();
        table.remind(key, next);
        if upgraded {
            self.flush_session(&mut table, key);
        }
        !socket.is_closing()
    }

    /// A WebSocket is gone: with it its session, unless it only was to become its transport.
    fn lost(&self, key: Key, socket: &Rc<Socket>) {
        let mut table = self.table.borrow_mut();
        let Some(entry) = table.get(key) else { return };
        if entry.session.probes(socket) {
            entry.session.drop_probe();
        } else if entry.session.wire().is_some_and(|wire| Rc::ptr_eq(wire, socket)) {
            drop(table);
            self.end(key, End::TransportClosed);
        }
    }
}
