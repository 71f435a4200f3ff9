//! What the machine itself takes for a delivery, at the time of the run: one TCP send.
//!
//! Below it no server comes that sends each message at once, whatever its language. It tells a slow machine, or one
//! that is busy with something else, from a slow server.

use std::{
    io::Write,
    net::{SocketAddr, TcpListener},
    thread,
    time::{Duration, Instant},
};

use nix::time::{ClockId, clock_gettime};

use crate::{
    error::{Error, because},
    load::net::Net,
};

const SOCKETS: usize = 200;
const ROUNDS: u32 = 40;
const INTERVAL: Duration = Duration::from_millis(20);
/// As long as the frame of a message.
const BYTES: usize = 200;

/// CPU of one send to a socket whose reader waits, in microseconds: 200 sockets, 10,000 sends per second.
pub fn send() -> Result<f64, Error> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(because("the yardstick"))?;
    let address: SocketAddr = listener.local_addr().map_err(because("the yardstick"))?;
    let sender = thread::spawn(move || sends(&listener));
    let mut net = Net::new()?;
    for _ in 0..SOCKETS {
        net.connect(address)?;
    }
    while !sender.is_finished() {
        net.turn(INTERVAL, |_, _, _| {})?;
    }
    let spent = sender.join().map_err(|_| Error::new("the yardstick broke"))?;
    let spent = spent.map_err(because("the yardstick"))?;
    Ok(spent.as_secs_f64() * 1e6 / f64::from(ROUNDS) / SOCKETS as f64)
}

fn sends(listener: &TcpListener) -> std::io::Result<Duration> {
    let mut streams = Vec::new();
    for _ in 0..SOCKETS {
        let (stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        streams.push(stream);
    }
    let clock = || clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map(Duration::from);
    let (began, from) = (Instant::now(), clock()?);
    for round in 1..=ROUNDS {
        for stream in &mut streams {
            stream.write_all(&[b'x'; BYTES])?;
        }
        thread::sleep((INTERVAL * round).saturating_sub(began.elapsed()));
    }
    Ok(clock()?.saturating_sub(from))
}
