//! What should have arrived, what did, and how long it took.

use std::collections::BTreeSet;

use super::mark::Mark;

/// Counts the deliveries of numbered messages per receiver, so that what is lost and what came too often shows.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Messages sent per stream.
    sent: Vec<u32>,
    /// Receivers per stream.
    audience: Vec<u64>,
    receivers: Vec<Receiver>,
    due: u64,
    delivered: u64,
    surplus: u64,
    /// Microseconds from sending to arrival, of the deliveries since the last [`Ledger::forget_latencies`].
    latencies: Vec<u32>,
}

#[derive(Debug)]
struct Receiver {
    /// The stream that it should get; none for sockets that should get nothing.
    stream: Option<u32>,
    /// All numbers below this one have come.
    next: u32,
    /// Those that came before one with a lower number.
    early: BTreeSet<u32>,
}

impl Ledger {
    /// `streams` sequences of messages, and for each receiver the one that it should get.
    pub fn new(streams: usize, receivers: impl IntoIterator<Item = Option<u32>>) -> Ledger {
        let receiver = |stream| Receiver { stream, next: 0, early: BTreeSet::new() };
        let receivers: Vec<Receiver> = receivers.into_iter().map(receiver).collect();
        let mut audience = vec![0; streams];
        for stream in receivers.iter().filter_map(|receiver| receiver.stream) {
            audience[stream as usize] += 1;
        }
        Ledger { sent: vec![0; streams], audience, receivers, ..Ledger::default() }
    }

    /// The mark for the next message of a stream, sent at `now`.
    pub fn issue(&mut self, stream: u32, now: u64) -> Mark {
        let sent = &mut self.sent[stream as usize];
        let mark = Mark { stream, number: *sent, sent: now };
        *sent += 1;
        self.due += self.audience[stream as usize];
        mark
    }

    /// Books an arrival.
    pub fn arrived(&mut self, receiver: usize, mark: Mark, now: u64) {
        let state = &mut self.receivers[receiver];
        if state.stream != Some(mark.stream) {
            self.surplus += 1;
            return;
        }
        let first_time = match mark.number {
            number if number == state.next => {
                state.next += 1;
                while state.early.remove(&state.next) {
                    state.next += 1;
                }
                true
            }
            number if number < state.next => false,
            number => state.early.insert(number),
        };
        if first_time {
            self.delivered += 1;
            self.latencies.push(now.saturating_sub(mark.sent).min(u64::from(u32::MAX)) as u32);
        } else {
            self.surplus += 1;
        }
    }

    /// Deliveries so far, each counted once.
    pub fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Deliveries that are due or done.
    pub fn due(&self) -> u64 {
        self.due
    }

    /// How many messages of its stream a receiver has got, in order and without a gap.
    pub fn next(&self, receiver: usize) -> u32 {
        self.receivers[receiver].next
    }

    /// Messages sent in a stream.
    pub fn sent(&self, stream: u32) -> u32 {
        self.sent[stream as usize]
    }

    /// Deliveries that nobody was to get, or that came twice.
    pub fn surplus(&self) -> u64 {
        self.surplus
    }

    /// Starts a new sample of latencies.
    pub fn forget_latencies(&mut self) {
        self.latencies.clear();
    }

    /// The latencies since then, sorted.
    pub fn latencies(&mut self) -> Percentiles {
        Percentiles::of(std::mem::take(&mut self.latencies))
    }
}

/// Times, sorted.
#[derive(Debug)]
pub struct Percentiles(Vec<u32>);

impl Percentiles {
    /// Of microseconds in any order.
    pub fn of(mut micros: Vec<u32>) -> Percentiles {
        micros.sort_unstable();
        Percentiles(micros)
    }

    /// The time in milliseconds that `percent` of them do not exceed; none without any.
    pub fn millis(&self, percent: f64) -> Option<f64> {
        let rank = (percent / 100.0 * self.0.len() as f64).ceil() as usize;
        let micros = self.0.get(rank.saturating_sub(1))?;
        Some(f64::from(*micros) / 1e3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_doubles_and_strangers_show() {
        let mut ledger = Ledger::new(2, [Some(0), Some(0), Some(1), None]);
        let marks: Vec<Mark> = (0..3).map(|now| ledger.issue(0, now)).collect();
        let other = ledger.issue(1, 0);
        for mark in [marks[0], marks[2], marks[1], marks[2]] {
            ledger.arrived(0, mark, 10);
        }
        ledger.arrived(1, marks[1], 10);
        ledger.arrived(2, other, 10);
        ledger.arrived(3, marks[0], 10);
        assert_eq!((ledger.due(), ledger.delivered(), ledger.surplus()), (7, 5, 2));
        assert_eq!((ledger.next(0), ledger.next(1)), (3, 0));
    }

    #[test]
    fn percentiles_are_the_nearest_rank() {
        let times = Percentiles::of((1..=200).rev().map(|milli| milli * 1000).collect());
        assert_eq!(times.millis(50.0), Some(100.0));
        assert_eq!(times.millis(99.0), Some(198.0));
        assert_eq!(times.millis(100.0), Some(200.0));
        assert_eq!(Percentiles::of(Vec::new()).millis(50.0), None);
    }
}
