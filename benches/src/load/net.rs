//! Non-blocking connections on one epoll.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::SocketAddr,
    time::Duration,
};

use mio::{Events, Interest, Poll, Token, net::TcpStream};
use slab::Slab;

use crate::error::{Error, because};

/// Bytes taken from a socket at a time. Larger than what usually waits, so that a short read tells that it was all.
const READ_BYTES: usize = 128 << 10;
/// Sockets reported per turn.
const EVENTS: usize = 4096;

/// Names one connection; reused after its end.
pub type ConnId = usize;

/// What happened to a connection.
#[derive(Debug)]
pub enum NetEvent<'a> {
    /// It is up: one may send.
    Open,
    /// Bytes came.
    Data(&'a [u8]),
    /// The other side, or an error, ended it.
    Closed,
}

/// The connections.
#[derive(Debug)]
pub struct Net {
    poll: Poll,
    events: Option<Events>,
    conns: Slab<Conn>,
    scratch: Vec<u8>,
}

#[derive(Debug)]
struct Conn {
    stream: TcpStream,
    open: bool,
    unsent: Vec<u8>,
}

impl Net {
    /// No connections yet.
    pub fn new() -> Result<Net, Error> {
        Ok(Net {
            poll: Poll::new().map_err(because("epoll"))?,
            events: Some(Events::with_capacity(EVENTS)),
            conns: Slab::new(),
            scratch: vec![0; READ_BYTES],
        })
    }

    /// Starts to connect; [`NetEvent::Open`] tells when it is done.
    pub fn connect(&mut self, address: SocketAddr) -> Result<ConnId, Error> {
        let mut stream = TcpStream::connect(address).map_err(because("connecting"))?;
        let slot = self.conns.vacant_entry();
        let id = slot.key();
        self.poll
            .registry()
            .register(&mut stream, Token(id), Interest::READABLE | Interest::WRITABLE)
            .map_err(because("epoll"))?;
        slot.insert(Conn { stream, open: false, unsent: Vec::new() });
        Ok(id)
    }

    /// Sends, or keeps what the socket does not take for when it does. Of a connection that is gone nothing is said
    /// here: its end is an event.
    pub fn send(&mut self, id: ConnId, bytes: &[u8]) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        let mut rest = bytes;
        if conn.open && conn.unsent.is_empty() {
            while !rest.is_empty() {
                match conn.stream.write(rest) {
                    Ok(count) => rest = &rest[count..],
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(_) => break,
                }
            }
        }
        conn.unsent.extend_from_slice(rest);
    }

    /// Ends a connection without a further word.
    pub fn close(&mut self, id: ConnId) {
        if let Some(mut conn) = self.conns.try_remove(id) {
            let _ = self.poll.registry().deregister(&mut conn.stream);
        }
    }

    /// Waits up to `timeout` for events and gives them to `sink`, which may send and close.
    pub fn turn(
        &mut self,
        timeout: Duration,
        mut sink: impl FnMut(&mut Net, ConnId, NetEvent<'_>),
    ) -> Result<(), Error> {
        let mut events = self.events.take().expect("turns do not nest");
        match self.poll.poll(&mut events, Some(timeout)) {
            Err(error) if error.kind() != ErrorKind::Interrupted => {
                return Err(because("epoll")(error));
            }
            _ => {}
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        for event in &events {
            let id = event.token().0;
            if event.is_writable() {
                self.writable(id, &mut sink);
            }
            if event.is_readable() || event.is_error() {
                self.readable(id, &mut scratch, &mut sink);
            }
        }
        self.scratch = scratch;
        self.events = Some(events);
        Ok(())
    }

    fn writable(&mut self, id: ConnId, sink: &mut impl FnMut(&mut Net, ConnId, NetEvent<'_>)) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        if !conn.open {
            match conn.stream.peer_addr() {
                Ok(_) => {
                    let _ = conn.stream.set_nodelay(true);
                    conn.open = true;
                    sink(self, id, NetEvent::Open);
                }
                // Its error is readable.
                Err(_) => return,
            }
        }
        let Some(conn) = self.conns.get_mut(id) else { return };
        if !conn.unsent.is_empty() {
            let unsent = std::mem::take(&mut conn.unsent);
            self.send(id, &unsent);
        }
    }

    fn readable(
        &mut self,
        id: ConnId,
        scratch: &mut [u8],
        sink: &mut impl FnMut(&mut Net, ConnId, NetEvent<'_>),
    ) {
        loop {
            // The sink may have closed it.
            let Some(conn) = self.conns.get_mut(id) else { return };
            match read(&mut conn.stream, scratch) {
                Ok(0) => {
                    self.close(id);
                    sink(self, id, NetEvent::Closed);
                    return;
                }
                Ok(count) => {
                    sink(self, id, NetEvent::Data(&scratch[..count]));
                    if count < scratch.len() {
                        return;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => {
                    self.close(id);
                    sink(self, id, NetEvent::Closed);
                    return;
                }
            }
        }
    }
}

fn read(stream: &mut TcpStream, into: &mut [u8]) -> io::Result<usize> {
    loop {
        match stream.read(into) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}
