//! Many token buckets by key, in bounded memory.

use std::collections::HashMap;

use super::bucket::{Bucket, Micros, Rate};

/// Keys of one generation; two generations are kept. With its free places a generation takes about
/// half a megabyte.
const GENERATION: usize = 25_000;

/// A bucket for each key, all of one rate.
///
/// A full bucket is as good as none, so that only keys in use take memory. They stand in two
/// generations: a key that is used moves into the recent one. After the time in which a bucket fills, or when the
/// recent one has no room, it becomes the older one, which is dropped: in the first case only full
/// buckets are, in the second those that were not used for longest. So whoever comes with
/// more keys than there is room for, such as all addresses of an IPv6 network, takes no memory;
/// they only make the server forget, which is never to anybody's harm.
#[derive(Debug)]
pub struct Buckets {
    rate: Rate,
    recent: HashMap<u64, Bucket>,
    older: HashMap<u64, Bucket>,
    /// When the older generation was the recent one.
    turned: Micros,
}

impl Buckets {
    /// Full buckets for all keys.
    pub fn new(rate: Rate) -> Buckets {
        Buckets { rate, recent: HashMap::new(), older: HashMap::new(), turned: 0 }
    }

    /// Takes a token of a key.
    ///
    /// # Errors
    /// The wait for the next token, if there is none.
    pub fn take(&mut self, key: u64, now: Micros) -> Result<(), Micros> {
        let rate = self.rate;
        self.bucket(key, now).take(rate, now)
    }

    /// Takes a token of a key even if there is none.
    pub fn charge(&mut self, key: u64, now: Micros) {
        let rate = self.rate;
        self.bucket(key, now).charge(rate, now);
    }

    /// The wait for a key's next token; 0 if there is one.
    pub fn wait(&self, key: u64, now: Micros) -> Micros {
        let bucket = self.recent.get(&key).or_else(|| self.older.get(&key));
        bucket.map_or(0, |bucket| bucket.wait(self.rate, now))
    }

    fn bucket(&mut self, key: u64, now: Micros) -> &mut Bucket {
        self.turn_if_due(now);
        self.recent.entry(key).or_insert_with(|| self.older.remove(&key).unwrap_or_default())
    }

    fn turn_if_due(&mut self, now: Micros) {
        let is_crowded = self.recent.len() >= GENERATION;
        if !is_crowded && now.saturating_sub(self.turned) < self.rate.capacity() {
            return;
        }
        let recent = std::mem::take(&mut self.recent);
        let mut dropped = std::mem::replace(&mut self.older, recent);
        if !is_crowded {
            // Not used for as long as a bucket takes to fill: what is not full is in debt.
            dropped.retain(|_, bucket| !bucket.is_full(now));
            self.recent = dropped;
        }
        self.turned = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn kept(buckets: &Buckets) -> usize {
        buckets.recent.len() + buckets.older.len()
    }

    #[test]
    fn memory_is_bounded_whatever_comes() {
        let mut buckets = Buckets::new(Rate::per(2, Duration::from_secs(3600)));
        let (keys, moments) = (10 * GENERATION as u64, 0..);
        for (key, now) in (0..keys).zip(moments) {
            assert_eq!(buckets.take(key, now), Ok(()));
            assert!(kept(&buckets) <= 2 * GENERATION);
        }
        // Those that were used last are known, those before count as new.
        assert_eq!(buckets.take(keys - 1, keys), Ok(()));
        assert!(buckets.take(keys - 1, keys).is_err());
        assert_eq!(buckets.wait(0, keys), 0);
    }

    #[test]
    fn one_that_goes_on_is_not_forgotten_among_many() {
        let mut buckets = Buckets::new(Rate::per(1, Duration::from_secs(3600)));
        assert_eq!(buckets.take(u64::MAX, 0), Ok(()));
        for key in 0..4 * GENERATION as u64 {
            let _ = buckets.take(key, key);
            if key % 1000 == 0 {
                assert!(buckets.take(u64::MAX, key).is_err(), "{key}");
            }
        }
    }

    #[test]
    fn what_is_full_is_forgotten_in_time() {
        let rate = Rate::per(60, Duration::from_secs(60));
        let mut buckets = Buckets::new(rate);
        for key in 0..1000 {
            buckets.charge(key, 0);
        }
        for turn in 1..=3 {
            buckets.charge(5000, turn * rate.capacity());
        }
        assert_eq!(kept(&buckets), 1);
    }

    proptest! {
        /// While the keys fit, nobody can tell it from a map that never forgets.
        #[test]
        fn only_full_buckets_are_forgotten(
            count in 1u32..10,
            steps in prop::collection::vec((0u64..6, 0u64..1_500_000, any::<bool>()), 0..300),
        ) {
            let rate = Rate::per(count, Duration::from_secs(3));
            let (mut buckets, mut model) = (Buckets::new(rate), HashMap::<u64, Bucket>::new());
            let mut now = 0;
            for (key, pause, even_if_empty) in steps {
                now += pause;
                let bucket = model.entry(key).or_default();
                prop_assert_eq!(buckets.wait(key, now), bucket.wait(rate, now));
                if even_if_empty {
                    buckets.charge(key, now);
                    bucket.charge(rate, now);
                } else {
                    prop_assert_eq!(buckets.take(key, now), bucket.take(rate, now));
                }
            }
        }
    }
}
