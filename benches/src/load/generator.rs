//! The generator: sockets, upgrading clients and HTTP connections on one epoll.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use super::{
    http::Answers,
    mark::Clock,
    net::{ConnId, Net, NetEvent},
    socket::{Said, Socket},
    upgrade::Upgrader,
};
use crate::error::Error;

/// Connections that are being made at the same time, unless a scenario is about more.
const CONNECTING: usize = 100;
/// How long anything may take before a measurement is given up.
pub const PATIENCE: Duration = Duration::from_secs(60);
const TURN: Duration = Duration::from_millis(20);

/// What arrived.
#[derive(Debug)]
pub enum Arrival<'a> {
    /// A packet, on a socket.
    Packet(usize, &'a [u8]),
    /// A whole answer, on an HTTP connection: its status and body.
    Answer(usize, u16, &'a [u8]),
}

/// Everything that puts load on servers.
#[derive(Debug)]
pub struct Generator {
    net: Net,
    clock: Clock,
    owners: Vec<Owner>,
    sockets: Vec<Socket>,
    upgraders: Vec<Upgrader>,
    http: Vec<(ConnId, Answers)>,
    joined: usize,
    ended: usize,
}

#[derive(Debug, Clone, Copy)]
enum Owner {
    Nobody,
    Socket(usize),
    Upgrader(usize),
    Http(usize),
}

impl Generator {
    /// Without connections.
    pub fn new() -> Result<Generator, Error> {
        Ok(Generator {
            net: Net::new()?,
            clock: Clock::start(),
            owners: Vec::new(),
            sockets: Vec::new(),
            upgraders: Vec::new(),
            http: Vec::new(),
            joined: 0,
            ended: 0,
        })
    }

    /// The clock of the marks.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Sockets that the server ended.
    pub fn ended(&self) -> usize {
        self.ended
    }

    /// Begins a chat socket and gives its number.
    pub fn open(&mut self, address: SocketAddr, cookie: Option<&str>) -> Result<usize, Error> {
        let conn = self.net.connect(address)?;
        let number = self.sockets.len();
        self.own(conn, Owner::Socket(number));
        self.sockets.push(Socket::new(&mut self.net, conn, cookie));
        Ok(number)
    }

    /// Opens one socket per cookie, so many at a time, and waits until all have joined.
    pub fn open_all(
        &mut self,
        address: SocketAddr,
        cookies: impl IntoIterator<Item = Option<String>>,
    ) -> Result<Vec<usize>, Error> {
        let (goal, mut opened) = (self.joined, Vec::new());
        for cookie in cookies {
            opened.push(self.open(address, cookie.as_deref())?);
            let enough = (goal + opened.len()).saturating_sub(CONNECTING);
            self.until("sockets to join", |this| this.joined >= enough)?;
        }
        let goal = goal + opened.len();
        self.until("sockets to join", |this| this.joined >= goal)?;
        Ok(opened)
    }

    /// Sockets that have joined the chat so far.
    pub fn joined(&self) -> usize {
        self.joined
    }

    /// Begins a client that polls first.
    pub fn open_upgrading(&mut self, address: SocketAddr, cookie: String) -> Result<(), Error> {
        let upgrader = Upgrader::new(&mut self.net, address, cookie)?;
        let number = self.upgraders.len();
        for conn in upgrader.conns() {
            self.own(conn, Owner::Upgrader(number));
        }
        self.upgraders.push(upgrader);
        Ok(())
    }

    /// Clients that began with polling and are on their WebSocket.
    pub fn upgraded(&self) -> usize {
        self.upgraders.iter().filter(|upgrader| upgrader.is_done()).count()
    }

    /// Makes an HTTP connection and gives its number.
    pub fn connect_http(&mut self, address: SocketAddr) -> Result<usize, Error> {
        let conn = self.net.connect(address)?;
        let number = self.http.len();
        self.own(conn, Owner::Http(number));
        self.http.push((conn, Answers::default()));
        Ok(number)
    }

    /// Sends a request on an HTTP connection.
    pub fn request(&mut self, number: usize, request: &[u8]) {
        self.net.send(self.http[number].0, request);
    }

    /// Sends a packet on a socket.
    pub fn say(&mut self, socket: usize, packet: &str) {
        self.sockets[socket].send(&mut self.net, packet);
    }

    /// Ends a socket.
    pub fn close(&mut self, socket: usize) {
        if self.sockets[socket].has_ended() {
            return;
        }
        let conn = self.sockets[socket].conn();
        self.owners[conn] = Owner::Nobody;
        self.net.close(conn);
        self.sockets[socket].ended();
    }

    /// Ends all upgraded clients.
    pub fn close_upgraded(&mut self) {
        for upgrader in self.upgraders.drain(..) {
            for conn in upgrader.conns() {
                self.owners[conn] = Owner::Nobody;
                self.net.close(conn);
            }
        }
    }

    /// Whether a socket is in the chat.
    pub fn is_joined(&self, socket: usize) -> bool {
        self.sockets[socket].is_joined()
    }

    /// Waits up to `timeout` for what comes.
    pub fn turn(
        &mut self,
        timeout: Duration,
        mut sink: impl FnMut(Arrival<'_>),
    ) -> Result<(), Error> {
        let Generator { net, owners, sockets, upgraders, http, joined, ended, .. } = self;
        let mut failed = None;
        net.turn(timeout, |net, conn, event| {
            let owner = owners[conn];
            if matches!(event, NetEvent::Closed) {
                // Its number goes to another connection.
                owners[conn] = Owner::Nobody;
            }
            match (owner, event) {
                (_, NetEvent::Open) | (Owner::Nobody, _) => {}
                (Owner::Socket(number), NetEvent::Data(bytes)) => {
                    sockets[number].feed(net, bytes, |said| match said {
                        Said::Joined => *joined += 1,
                        Said::Packet(packet) => sink(Arrival::Packet(number, packet)),
                    });
                }
                (Owner::Socket(number), NetEvent::Closed) => {
                    sockets[number].ended();
                    *ended += 1;
                }
                (Owner::Upgrader(number), NetEvent::Data(bytes)) => {
                    match upgraders[number].feed(net, conn, bytes) {
                        Ok(Some(made)) => set(owners, made, Owner::Upgrader(number)),
                        Ok(None) => {}
                        Err(error) => failed = Some(error),
                    }
                }
                (Owner::Http(number), NetEvent::Data(bytes)) => {
                    http[number].1.feed(bytes, |answer| {
                        sink(Arrival::Answer(number, answer.status, answer.body));
                    });
                }
                (Owner::Upgrader(number), NetEvent::Closed) => upgraders[number].closed(conn),
                (Owner::Http(_), NetEvent::Closed) => *ended += 1,
            }
        })?;
        failed.map_or(Ok(()), Err)
    }

    /// Takes turns until `done`; what arrives meanwhile is nobody's.
    pub fn until(
        &mut self,
        what: &str,
        mut done: impl FnMut(&Generator) -> bool,
    ) -> Result<(), Error> {
        let deadline = Instant::now() + PATIENCE;
        while !done(self) {
            if Instant::now() > deadline {
                return Err(Error::new(format!("waited in vain for {what}")));
            }
            self.turn(TURN, |_| {})?;
        }
        Ok(())
    }

    /// Takes turns until nothing has arrived for `pause`.
    pub fn quiet(&mut self, pause: Duration) -> Result<(), Error> {
        let deadline = Instant::now() + PATIENCE;
        let mut last = Instant::now();
        while last.elapsed() < pause && Instant::now() < deadline {
            let mut came = false;
            self.turn(TURN, |_| came = true)?;
            if came {
                last = Instant::now();
            }
        }
        Ok(())
    }

    fn own(&mut self, conn: ConnId, owner: Owner) {
        set(&mut self.owners, conn, owner);
    }
}

fn set(owners: &mut Vec<Owner>, conn: ConnId, owner: Owner) {
    if owners.len() <= conn {
        owners.resize(conn + 1, Owner::Nobody);
    }
    owners[conn] = owner;
}
