//! What was heard lately: so that what is found in the store after a gap is not delivered twice.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    hash::{BuildHasher, RandomState},
    time::{Duration, Instant},
};

/// What was taken in lately, as digests.
pub(super) struct Heard {
    pub(super) keep: Duration,
    hasher: RandomState,
    counts: HashMap<u64, u32>,
    order: VecDeque<(Instant, u64)>,
    /// What is dated ahead, by its date in seconds since 1970: a gap may find it when that has come.
    ahead: BTreeSet<(u64, u64)>,
    /// All that was taken in after this is remembered.
    pub(super) since: Instant,
}

impl Heard {
    /// About 20 MB.
    const MOST: usize = 500_000;
    /// About 6 MB. Past that what is dated farthest ahead is forgotten, since it comes last.
    const MOST_AHEAD: usize = 100_000;
    /// What is dated less seconds ahead is of a clock that is right, or nearly.
    const AHEAD: f64 = 2.0;

    /// Remembers for `keep`.
    pub(super) fn new(keep: Duration, now: Instant) -> Heard {
        let (counts, order, ahead) = Default::default();
        Heard { keep, hasher: RandomState::new(), counts, order, ahead, since: now }
    }

    /// Takes a text in that has a date; `clock` is the date of `now`. During a gap nothing grows old.
    pub(super) fn note(&mut self, text: &[u8], date: f64, now: Instant, clock: f64, in_gap: bool) {
        let digest = self.hasher.hash_one(text);
        if date > clock + Self::AHEAD {
            if self.ahead.insert((date as u64, digest)) {
                *self.counts.entry(digest).or_default() += 1;
            }
        } else {
            self.order.push_back((now, digest));
            *self.counts.entry(digest).or_default() += 1;
        }
        let over = (clock - self.keep.as_secs_f64()) as u64;
        while let Some(&(date, _)) = self.ahead.first() {
            let is_over = !in_gap && date < over;
            if !is_over && self.ahead.len() <= Self::MOST_AHEAD {
                break;
            }
            let one = if is_over { self.ahead.pop_first() } else { self.ahead.pop_last() };
            if let Some((_, digest)) = one {
                self.forget(digest);
            }
        }
        while let Some(&(when, digest)) = self.order.front()
            && (self.order.len() > Self::MOST || (!in_gap && now - when > self.keep))
        {
            self.order.pop_front();
            self.since = when;
            self.forget(digest);
        }
    }

    fn forget(&mut self, digest: u64) {
        if let Some(count) = self.counts.get_mut(&digest) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&digest);
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

    const CLOCK: f64 = 1_800_000_000.0;

    /// Notes a text so many seconds after the start, dated so many ahead.
    fn note(heard: &mut Heard, start: Instant, text: &[u8], seconds: u64, ahead: u64) {
        let clock = CLOCK + seconds as f64;
        let now = start + Duration::from_secs(seconds);
        heard.note(text, clock + ahead as f64, now, clock, false);
    }

    fn ten_seconds() -> (Heard, Instant) {
        let start = Instant::now();
        (Heard::new(Duration::from_secs(10), start), start)
    }

    #[test]
    fn what_was_heard_is_remembered_for_its_time() {
        let (mut heard, start) = ten_seconds();
        let at = |seconds| start + Duration::from_secs(seconds);
        note(&mut heard, start, b"one", 1, 0);
        note(&mut heard, start, b"two", 5, 0);
        note(&mut heard, start, b"one", 8, 0);
        note(&mut heard, start, b"new", 12, 0);
        assert!(heard.knows(b"one") && heard.knows(b"two") && !heard.knows(b"other"));
        assert_eq!(heard.since, at(1));
        note(&mut heard, start, b"new", 16, 0);
        assert!(heard.knows(b"one") && !heard.knows(b"two"));
        assert_eq!(heard.since, at(5));
    }

    #[test]
    fn what_is_dated_ahead_is_remembered_from_its_date_on() {
        let (mut heard, start) = ten_seconds();
        note(&mut heard, start, b"ahead", 0, 100);
        note(&mut heard, start, b"ahead", 0, 100);
        note(&mut heard, start, b"in milliseconds", 0, 1_000_000_000_000);
        note(&mut heard, start, b"now", 110, 0);
        assert!(heard.knows(b"ahead"));
        note(&mut heard, start, b"now", 111, 0);
        assert!(!heard.knows(b"ahead") && heard.knows(b"in milliseconds"));
        assert_eq!(heard.since, start);
    }

    #[test]
    fn of_what_is_dated_ahead_the_nearest_is_remembered() {
        let (mut heard, start) = ten_seconds();
        note(&mut heard, start, b"far", 0, 1_000_000);
        for n in 0..Heard::MOST_AHEAD {
            note(&mut heard, start, &n.to_le_bytes(), 0, 100);
        }
        assert!(!heard.knows(b"far") && heard.knows(&0usize.to_le_bytes()));
        assert_eq!(heard.ahead.len(), Heard::MOST_AHEAD);
    }

    #[test]
    fn in_a_gap_nothing_grows_old() {
        let (mut heard, start) = ten_seconds();
        note(&mut heard, start, b"one", 0, 0);
        note(&mut heard, start, b"ahead", 0, 50);
        heard.note(b"two", CLOCK, start + Duration::from_secs(100), CLOCK + 100.0, true);
        assert!(heard.knows(b"one") && heard.knows(b"ahead"));
        assert_eq!(heard.since, start);
    }
}
