//! One timer wheel for all sessions: heartbeats, upgrade windows, stalled writes.
//!
//! An entry is only a reminder to look at a session again; the session knows its own deadlines. So
//! nothing is ever removed, and a deadline that moves away costs nothing until the reminder comes.

use super::Key;

/// Length of a tick in milliseconds. The shortest interval in use is the 100 ms in which a held
/// GET is released during an upgrade.
pub const TICK_MS: u64 = 50;

const SLOTS: usize = 1024;

/// Reminders by tick.
pub struct Wheel {
    slots: Vec<Vec<(u64, Key)>>,
    now: u64,
}

impl Wheel {
    /// An empty wheel at tick 0.
    pub fn new() -> Wheel {
        Wheel { slots: vec![Vec::new(); SLOTS], now: 0 }
    }

    /// Reminds of `key` at `tick`, or at the next one if that is past.
    pub fn remind(&mut self, tick: u64, key: Key) {
        let tick = tick.max(self.now + 1);
        self.slots[tick as usize % SLOTS].push((tick, key));
    }

    /// Moves on to `tick` and returns the reminders that are due.
    pub fn advance(&mut self, tick: u64) -> Vec<Key> {
        let mut due = Vec::new();
        let steps = tick.saturating_sub(self.now).min(SLOTS as u64);
        for step in 0..steps {
            let slot = &mut self.slots[(tick - step) as usize % SLOTS];
            if slot.is_empty() {
                continue;
            }
            slot.retain(|&(at, key)| {
                if at <= tick {
                    due.push(key);
                }
                at > tick
            });
            if slot.is_empty() {
                *slot = Vec::new();
            }
        }
        self.now = self.now.max(tick);
        due
    }
}

impl Default for Wheel {
    fn default() -> Self {
        Wheel::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn each_reminder_comes_once_and_never_early(ticks in proptest::collection::vec(1u64..5000, 1..50),
                                                    steps in proptest::collection::vec(1u64..700, 1..40)) {
            let mut wheel = Wheel::new();
            for (i, &tick) in ticks.iter().enumerate() {
                wheel.remind(tick, Key::for_test(i as u32));
            }
            let mut now = 0;
            let mut seen = vec![0; ticks.len()];
            for step in steps.into_iter().chain([10_000]) {
                now += step;
                for key in wheel.advance(now) {
                    seen[key.index()] += 1;
                    prop_assert!(ticks[key.index()] <= now);
                }
                for (i, &tick) in ticks.iter().enumerate() {
                    prop_assert_eq!(seen[i], usize::from(tick <= now));
                }
            }
        }
    }
}
