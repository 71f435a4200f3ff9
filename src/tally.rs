//! What may come thousands of times a second is counted, and the log has a line about it now and then.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

/// The least time between two lines.
const PAUSE: Duration = Duration::from_secs(10);

/// How often something came.
#[derive(Debug, Default)]
pub struct Tally {
    count: Cell<u64>,
    told: Cell<Option<Instant>>,
}

impl Tally {
    /// Counts one. How many there were so far, if it is time for a line: at the first, and then once in 10 s.
    pub fn note(&self) -> Option<u64> {
        self.count.set(self.count.get() + 1);
        if self.told.get().is_some_and(|told| told.elapsed() < PAUSE) {
            return None;
        }
        self.told.set(Some(Instant::now()));
        Some(self.count.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_of_the_first_and_then_of_all_after_a_pause() {
        let tally = Tally::default();
        assert_eq!([tally.note(), tally.note(), tally.note()], [Some(1), None, None]);
        tally.told.set(Instant::now().checked_sub(PAUSE));
        assert_eq!([tally.note(), tally.note()], [Some(4), None]);
    }
}
