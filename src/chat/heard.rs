//! What was heard lately: so that what is found in the store after a gap is not delivered twice.

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasher, RandomState},
    time::{Duration, Instant},
};

/// What was taken in lately, as digests.
pub(super) struct Heard {
    pub(super) keep: Duration,
    hasher: RandomState,
    counts: HashMap<u64, u32>,
    order: VecDeque<(Instant, u64)>,
    /// All that was taken in after this is remembered.
    pub(super) since: Instant,
}

impl Heard {
    /// About 20 MB.
    const MOST: usize = 500_000;

    /// Remembers for `keep`.
    pub(super) fn new(keep: Duration, now: Instant) -> Heard {
        let (counts, order) = Default::default();
        Heard { keep, hasher: RandomState::new(), counts, order, since: now }
    }

    /// Takes a text in. During a gap nothing grows old.
    pub(super) fn note(&mut self, text: &[u8], now: Instant, in_gap: bool) {
        let digest = self.hasher.hash_one(text);
        self.order.push_back((now, digest));
        *self.counts.entry(digest).or_default() += 1;
        while let Some(&(when, digest)) = self.order.front()
            && (self.order.len() > Self::MOST || (!in_gap && now - when > self.keep))
        {
            self.order.pop_front();
            self.since = when;
            if let Some(count) = self.counts.get_mut(&digest) {
                *count -= 1;
                if *count == 0 {
                    self.counts.remove(&digest);
                }
            }
        }
    }

    /// Whether a text was taken in.
    pub(super) fn knows(&self, text: &[u8]) -> bool {
        self.counts.contains_key(&self.hasher.hash_one(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_heard_is_remembered_for_its_time() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut heard = Heard::new(Duration::from_secs(10), start);
        heard.note(b"one", at(1), false);
        heard.note(b"two", at(5), false);
        heard.note(b"one", at(8), false);
        heard.note(b"new", at(12), false);
        assert!(heard.knows(b"one") && heard.knows(b"two") && !heard.knows(b"other"));
        assert_eq!(heard.since, at(1));
        heard.note(b"new", at(16), false);
        assert!(heard.knows(b"one") && !heard.knows(b"two"));
        assert_eq!(heard.since, at(5));
    }

    #[test]
    fn in_a_gap_nothing_grows_old() {
        let start = Instant::now();
        let mut heard = Heard::new(Duration::from_secs(10), start);
        heard.note(b"one", start, false);
        heard.note(b"two", start + Duration::from_secs(100), true);
        assert!(heard.knows(b"one"));
        assert_eq!(heard.since, start);
    }
}
