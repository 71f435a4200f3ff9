//! How load is put on: at a fixed rate, or as much as the server takes.

use std::time::{Duration, Instant};

use crate::{
    error::Error,
    load::{Arrival, Generator, ledger::Ledger, mark::Mark},
};

/// How long nothing may arrive before what is missing counts as lost.
const LOST_AFTER: Duration = Duration::from_secs(4);
const TURN: Duration = Duration::from_millis(20);

/// Takes turns for `time`.
pub fn listen(
    generator: &mut Generator,
    time: Duration,
    mut sink: impl FnMut(Arrival<'_>),
) -> Result<(), Error> {
    let end = Instant::now() + time;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        generator.turn(left, &mut sink)?;
    }
}

/// Takes one turn, in which deliveries are booked.
pub fn book_turn(
    generator: &mut Generator,
    ledger: &mut Ledger,
    timeout: Duration,
) -> Result<(), Error> {
    let clock = generator.clock();
    generator.turn(timeout, |arrival| {
        if let Arrival::Packet(socket, packet) = arrival
            && let Some(mark) = Mark::find(packet)
        {
            ledger.arrived(socket, mark, clock.micros());
        }
    })
}

/// Calls `send` every `interval` for `time`, then waits for what is due.
///
/// A send that is late does not delay the next ones.
pub fn at_rate(
    generator: &mut Generator,
    ledger: &mut Ledger,
    interval: Duration,
    time: Duration,
    mut send: impl FnMut(&mut Generator, &mut Ledger),
) -> Result<(), Error> {
    let began = Instant::now();
    let mut due = Duration::ZERO;
    while due < time {
        let now = began.elapsed();
        if now < due {
            book_turn(generator, ledger, due - now)?;
        } else {
            send(generator, ledger);
            due += interval;
        }
    }
    settle(generator, ledger)
}

/// Calls `send` after every turn for `time`, for it to send what its window allows, then waits for what is due.
pub fn saturated(
    generator: &mut Generator,
    ledger: &mut Ledger,
    time: Duration,
    mut send: impl FnMut(&mut Generator, &mut Ledger),
) -> Result<(), Error> {
    let end = Instant::now() + time;
    while Instant::now() < end {
        send(generator, ledger);
        book_turn(generator, ledger, TURN)?;
    }
    settle(generator, ledger)
}

/// Waits until what is due has arrived, or nothing does any more.
pub fn settle(generator: &mut Generator, ledger: &mut Ledger) -> Result<(), Error> {
    let (mut seen, mut since) = (ledger.delivered(), Instant::now());
    while ledger.delivered() < ledger.due() && since.elapsed() < LOST_AFTER {
        book_turn(generator, ledger, TURN)?;
        if ledger.delivered() > seen {
            (seen, since) = (ledger.delivered(), Instant::now());
        }
    }
    Ok(())
}
