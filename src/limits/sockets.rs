//! How many sockets each address and each session has.

use std::{cell::RefCell, collections::HashMap, rc::Rc};

use super::Limit;

/// The counts of all open sockets. Only who has one takes memory.
#[derive(Debug)]
pub struct Sockets {
    most_per_address: u32,
    most_per_session: u32,
    by_address: RefCell<HashMap<u64, u32>>,
    by_session: RefCell<HashMap<u64, u32>>,
}

/// A socket that counts, for as long as this lives.
#[derive(Debug)]
pub struct Seat {
    sockets: Rc<Sockets>,
    address: u64,
    session: Option<u64>,
}

impl Sockets {
    /// No sockets yet.
    pub fn new(most_per_address: u32, most_per_session: u32) -> Rc<Sockets> {
        Rc::new(Sockets {
            most_per_address,
            most_per_session,
            by_address: RefCell::default(),
            by_session: RefCell::default(),
        })
    }

    /// Counts a socket of an address, and of a session if it has one.
    ///
    /// # Errors
    /// The limit that it would be over; then nothing is counted.
    pub fn seat(self: &Rc<Self>, address: u64, session: Option<u64>) -> Result<Seat, Limit> {
        let has = |counts: &RefCell<HashMap<u64, u32>>, key| {
            counts.borrow().get(&key).copied().unwrap_or_default()
        };
        if has(&self.by_address, address) >= self.most_per_address {
            return Err(Limit::SocketsPerAddress);
        }
        if session.is_some_and(|key| has(&self.by_session, key) >= self.most_per_session) {
            return Err(Limit::SocketsPerSession);
        }
        *self.by_address.borrow_mut().entry(address).or_default() += 1;
        if let Some(session) = session {
            *self.by_session.borrow_mut().entry(session).or_default() += 1;
        }
        Ok(Seat { sockets: self.clone(), address, session })
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
            let sockets = Sockets::new(6, 4);
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
                    Err(limit) => prop_assert_eq!(expected, Some(limit)),
                }
            }
            open.clear();
            // Who has no socket takes no memory.
            prop_assert!(sockets.by_address.borrow().is_empty());
            prop_assert!(sockets.by_session.borrow().is_empty());
        }
    }
}
