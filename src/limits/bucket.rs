//! Token buckets: how often something may happen, and how much of it at once.

use std::time::Duration;

/// Microseconds since a moment of the caller's choice.
pub type Micros = u64;

/// How fast a bucket fills, and how much it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// From one token to the next.
    interval: Micros,
    /// From empty to full.
    capacity: Micros,
}

impl Rate {
    /// `count` in each `period`, and as many at once after a period without any. Faster than one in
    /// a microsecond counts as one in a microsecond.
    pub fn per(count: u32, period: Duration) -> Rate {
        Rate::with_burst(count, period, count)
    }

    /// `count` in each `period`, and `burst` at once.
    pub fn with_burst(count: u32, period: Duration, burst: u32) -> Rate {
        let period = u64::try_from(period.as_micros()).unwrap_or(u64::MAX);
        let interval = (period / u64::from(count.max(1))).max(1);
        Rate { interval, capacity: interval.saturating_mul(u64::from(burst.max(1))) }
    }

    /// From empty to full.
    pub fn capacity(self) -> Micros {
        self.capacity
    }
}

/// A bucket as one number: when it is full again. A new one is full.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bucket {
    full_at: Micros,
}

impl Bucket {
    /// Takes a token.
    ///
    /// # Errors
    /// The wait for the next token, if there is none.
    pub fn take(&mut self, rate: Rate, now: Micros) -> Result<(), Micros> {
        match self.wait(rate, now) {
            0 => {
                self.charge(rate, now);
                Ok(())
            }
            wait => Err(wait),
        }
    }

    /// The wait for the next token; 0 if there is one.
    pub fn wait(self, rate: Rate, now: Micros) -> Micros {
        let missing = self.full_at.saturating_sub(now).saturating_add(rate.interval);
        missing.saturating_sub(rate.capacity)
    }

    /// Takes a token even if there is none: the bucket is then in debt. This is for what is known
    /// only when it is over, such as a wrong password; the average stays what the rate says.
    pub fn charge(&mut self, rate: Rate, now: Micros) {
        self.full_at = self.full_at.max(now).saturating_add(rate.interval);
    }

    /// Whether it is as good as a new one.
    pub fn is_full(self, now: Micros) -> bool {
        self.full_at <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Micros = 1_000_000;

    #[test]
    fn a_burst_passes_and_the_next_one_waits() {
        let rate = Rate::with_burst(2, Duration::from_secs(1), 3);
        let mut bucket = Bucket::default();
        for _ in 0..3 {
            assert_eq!(bucket.take(rate, 7 * SECOND), Ok(()));
        }
        assert_eq!(bucket.take(rate, 7 * SECOND), Err(SECOND / 2));
        assert_eq!(bucket.take(rate, 7 * SECOND + SECOND / 2), Ok(()));
        assert!(!bucket.is_full(8 * SECOND) && bucket.is_full(9 * SECOND));
    }

    #[test]
    fn a_debt_is_waited_for() {
        let rate = Rate::per(1, Duration::from_secs(1));
        let mut bucket = Bucket::default();
        (0..5).for_each(|_| bucket.charge(rate, 0));
        assert_eq!(bucket.wait(rate, 0), 5 * SECOND);
        assert_eq!(bucket.wait(rate, 5 * SECOND), 0);
    }

    #[test]
    fn extreme_rates_are_no_overflow() {
        for (count, period, burst) in [
            (0, Duration::ZERO, 0),
            (u32::MAX, Duration::ZERO, u32::MAX),
            (1, Duration::MAX, u32::MAX),
            (u32::MAX, Duration::from_secs(1), 1),
        ] {
            let rate = Rate::with_burst(count, period, burst);
            let mut bucket = Bucket::default();
            assert_eq!(bucket.take(rate, u64::MAX - 1), Ok(()));
            let _ = bucket.take(rate, u64::MAX);
        }
    }

    proptest! {
        /// A plain count of tokens, in fractions of an interval, is the model.
        #[test]
        fn it_is_a_bucket_of_tokens(
            count in 1u32..20, burst in 1u32..20,
            steps in prop::collection::vec((0u64..400_000, any::<bool>()), 0..200),
        ) {
            let rate = Rate::with_burst(count, Duration::from_secs(1), burst);
            let (interval, full) = (SECOND / u64::from(count), i128::from(burst));
            let full = full * i128::from(interval);
            let (mut bucket, mut now, mut tokens) = (Bucket::default(), 0, full);
            for (pause, even_if_empty) in steps {
                now += pause;
                tokens = (tokens + i128::from(pause)).min(full);
                prop_assert_eq!(bucket.is_full(now), tokens == full);
                let enough = tokens >= i128::from(interval);
                let wait = (i128::from(interval) - tokens).max(0);
                prop_assert_eq!(i128::from(bucket.wait(rate, now)), wait);
                if even_if_empty {
                    bucket.charge(rate, now);
                } else {
                    prop_assert_eq!(bucket.take(rate, now).is_ok(), enough);
                }
                if enough || even_if_empty {
                    tokens -= i128::from(interval);
                }
            }
        }

        /// However they are spread, no more pass than the burst and what has flowed in.
        #[test]
        fn no_more_pass_than_the_rate_says(
            count in 1u32..50, burst in 1u32..50,
            pauses in prop::collection::vec(0u64..200_000, 1..400),
        ) {
            let rate = Rate::with_burst(count, Duration::from_secs(1), burst);
            let (mut bucket, mut now, mut passed) = (Bucket::default(), 0, 0u64);
            for pause in pauses {
                now += pause;
                passed += u64::from(bucket.take(rate, now).is_ok());
            }
            prop_assert!(passed <= u64::from(burst) + now / (SECOND / u64::from(count)));
        }
    }
}
