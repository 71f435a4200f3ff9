//! How many sockets each address and each session has, and whose may not come back yet.

use std::{
    cell::RefCell,
    collections::HashMap,
    rc::Rc,
    time::{Duration, Instant},
};

use super::{
    Limit,
    bucket::{Micros, Rate},
    buckets::Buckets,
};

/// When who has too many sockets may try again: nobody knows when one of them ends.
const WAIT: Duration = Duration::from_secs(10);

/// The counts of all open sockets. Only who has one takes memory.
#[derive(Debug)]
pub struct Sockets {
    most_per_address: u32,
    most_per_session: u32,
    by_address: RefCell<HashMap<u64, u32>>,
    by_session: RefCell<HashMap<u64, u32>>,
    started: Instant,
    /// A bucket of one token, empty for who was sent away.
    sent_away: RefCell<Buckets>,
}

/// A socket that counts, for as long as this lives.
#[derive(Debug)]
pub struct Seat {
    sockets: Rc<Sockets>,
    address: u64,
    session: Option<u64>,
}

impl Sockets {
    /// No sockets yet. Who sent more than `events` allows gets no new one until as much would have been
    /// allowed again: else a new socket would be a way around.
    pub fn new(most_per_address: u32, most_per_session: u32, events: Rate) -> Rc<Sockets> {
        let pause = Rate::per(1, Duration::from_micros(events.capacity()));
        Rc::new(Sockets {
            most_per_address,
            most_per_session,
            by_address: RefCell::default(),
            by_session: RefCell::default(),
            started: Instant::now(),
            sent_away: Buckets::new(pause).into(),
        })
    }

    /// Counts a socket of an address, and of a session if it has one.
    ///
    /// # Errors
    /// The limit that it would be over, and the wait; then nothing is counted.
    pub fn seat(
        self: &Rc<Self>,
        address: u64,
        session: Option<u64>,
    ) -> Result<Seat, (Limit, Duration)> {
        let wait = self.sent_away.borrow().wait(owner(address, session), self.now());
        if wait > 0 {
            return Err((Limit::EventsPerSocket, Duration::from_micros(wait)));
        }
        let has = |counts: &RefCell<HashMap<u64, u32>>, key| {
            counts.borrow().get(&key).copied().unwrap_or_default()
        };
        if has(&self.by_address, address) >= self.most_per_address {
            return Err((Limit::SocketsPerAddress, WAIT));
        }
        if session.is_some_and(|key| has(&self.by_session, key) >= self.most_per_session) {
            return Err((Limit::SocketsPerSession, WAIT));
        }
        *self.by_address.borrow_mut().entry(address).or_default() += 1;
        if let Some(session) = session {
            *self.by_session.borrow_mut().entry(session).or_default() += 1;
        }
        Ok(Seat { sockets: self.clone(), address, session })
    }

    fn now(&self) -> Micros {
        self.started.elapsed().as_micros() as Micros
    }
}

/// Who is sent away with a socket: its session, or without one all at its address that have none.
fn owner(address: u64, session: Option<u64>) -> u64 {
    session.unwrap_or(address)
}

impl Seat {
    /// Who has this socket sent too much.
    pub fn send_away(&self) {
        let (sockets, owner) = (&self.sockets, owner(self.address, self.session));
        // It fails if they were sent away with another socket a moment ago.
        let _ = sockets.sent_away.borrow_mut().take(owner, sockets.now());
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        give_back(&self.sockets.by_address, self.address);
        if let Some(session) = self.session {
            give_back(&self.sockets.by_session, session);
        }
    }
}

fn give_back(counts: &RefCell<HashMap<u64, u32>>, key: u64) {
    let mut counts = counts.borrow_mut();
    match counts.get_mut(&key) {
        Some(count) if *count > 1 => *count -= 1,
        _ => {
            counts.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn counts_are_those_of_the_open_seats(
            steps in prop::collection::vec((0u64..3, prop::option::of(0u64..3), any::<u8>()), 0..200),
        ) {
            let sockets = Sockets::new(6, 4, Rate::per(1, WAIT));
            let mut open: Vec<Seat> = Vec::new();
            for (address, session, choice) in steps {
                if choice % 3 == 0 && !open.is_empty() {
                    drop(open.swap_remove(usize::from(choice) % open.len()));
                    continue;
                }
                let of_address = open.iter().filter(|seat| seat.address == address).count();
                let of_session = open.iter().filter(|seat| seat.session == session).count();
                let expected = if of_address >= 6 {
                    Some(Limit::SocketsPerAddress)
                } else if session.is_some() && of_session >= 4 {
                    Some(Limit::SocketsPerSession)
                } else {
                    None
                };
                match sockets.seat(address, session) {
                    Ok(seat) => {
                        prop_assert_eq!(expected, None);
                        open.push(seat);
                    }
                    Err((limit, _)) => prop_assert_eq!(expected, Some(limit)),
                }
            }
            open.clear();
            // Who has no socket takes no memory.
            prop_assert!(sockets.by_address.borrow().is_empty());
            prop_assert!(sockets.by_session.borrow().is_empty());
        }
    }

    #[test]
    fn who_sent_too_much_does_not_come_back_at_once() {
        let sockets = Sockets::new(9, 9, Rate::with_burst(1, WAIT, 5));
        let seat = sockets.seat(1, Some(7)).unwrap();
        seat.send_away();
        seat.send_away();
        drop(seat);
        let (limit, wait) = sockets.seat(1, Some(7)).unwrap_err();
        assert!(limit == Limit::EventsPerSocket && wait > 4 * WAIT && wait <= 5 * WAIT, "{wait:?}");
        assert!(sockets.seat(1, Some(8)).is_ok() && sockets.seat(1, None).is_ok());
        sockets.seat(1, None).unwrap().send_away();
        assert!(sockets.seat(1, None).is_err() && sockets.seat(2, None).is_ok());
        assert!(sockets.seat(1, Some(8)).is_ok());
    }
}
