//! Wrong passwords: guessing one is slow, and who guesses can't lock out whose name it is.

use std::{hash::BuildHasher as _, time::Duration};

use super::{
    Limit,
    bucket::{Micros, Rate},
    buckets::Buckets,
};

/// For how long an address is known to be a name's own.
const KNOWN: Duration = Duration::from_secs(7 * 86_400);

/// Failed log-ins by name.
///
/// Only wrong passwords count, and they are counted when they are known to be wrong: a whole class that
/// signs in with one name at once meets no limit. How many are tried at once is bounded by the queue before
/// bcrypt; each of them counts, and the wait grows by all.
#[derive(Debug)]
pub struct Names {
    hasher: std::hash::RandomState,
    by_name_and_address: Buckets,
    by_name: Buckets,
    /// A bucket of one token, empty for where a name signed in lately.
    known: Buckets,
}

impl Names {
    /// No failed log-ins yet.
    pub fn new(per_name_and_address: Rate, per_name: Rate) -> Names {
        Names {
            hasher: std::hash::RandomState::new(),
            by_name_and_address: Buckets::new(per_name_and_address),
            by_name: Buckets::new(per_name),
            known: Buckets::new(Rate::per(1, KNOWN)),
        }
    }

    /// Whether somebody at an address may try to sign in with a name. The limit of the name alone does
    /// not hold where it signed in lately: else anybody could keep its owner out, from many addresses.
    ///
    /// # Errors
    /// The limit, and the wait.
    pub fn may_try(&self, name: &str, address: u64, now: Micros) -> Result<(), (Limit, Micros)> {
        let (name, pair) = self.keys(name, address);
        let wait = self.by_name_and_address.wait(pair, now);
        if wait > 0 {
            return Err((Limit::FailedLoginsPerNameAndAddress, wait));
        }
        let wait = self.by_name.wait(name, now);
        if wait > 0 && self.known.wait(pair, now) == 0 {
            return Err((Limit::FailedLoginsPerName, wait));
        }
        Ok(())
    }

    /// The password was wrong.
    pub fn failed(&mut self, name: &str, address: u64, now: Micros) {
        let (name, pair) = self.keys(name, address);
        self.by_name_and_address.charge(pair, now);
        self.by_name.charge(name, now);
    }

    /// The password was right, or the name is new.
    pub fn signed_in(&mut self, name: &str, address: u64, now: Micros) {
        let (_, pair) = self.keys(name, address);
        // It fails if the address is known already.
        let _ = self.known.take(pair, now);
    }

    fn keys(&self, name: &str, address: u64) -> (u64, u64) {
        (self.hasher.hash_one(name), self.hasher.hash_one((name, address)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const MINUTE: Micros = 60_000_000;

    fn names() -> Names {
        Names::new(Rate::per(60, HOUR), Rate::per(600, HOUR))
    }

    #[test]
    fn one_name_at_one_address_waits_others_do_not() {
        let mut names = names();
        (0..60).for_each(|_| names.failed("zoe", 1, 0));
        let over = Err((Limit::FailedLoginsPerNameAndAddress, MINUTE));
        assert_eq!(names.may_try("zoe", 1, 0), over);
        assert_eq!(names.may_try("zoe", 2, 0), Ok(()));
        assert_eq!(names.may_try("joe", 1, 0), Ok(()));
        assert_eq!(names.may_try("zoe", 1, MINUTE), Ok(()));
    }

    #[test]
    fn guesses_at_once_are_paid_for_later() {
        let mut names = names();
        // All of them were let through before the first was known to be wrong.
        (0..100).for_each(|_| names.failed("zoe", 1, 0));
        assert!(names.may_try("zoe", 1, 40 * MINUTE).is_err());
        assert_eq!(names.may_try("zoe", 1, 41 * MINUTE), Ok(()));
    }

    #[test]
    fn many_addresses_can_not_keep_the_owner_out() {
        let mut names = names();
        names.signed_in("zoe", 7, 0);
        (100..700).for_each(|address| names.failed("zoe", address, MINUTE));
        let over = names.may_try("zoe", 700, MINUTE);
        assert!(matches!(over, Err((Limit::FailedLoginsPerName, _))), "{over:?}");
        assert_eq!(names.may_try("zoe", 7, MINUTE), Ok(()));
        // But there too only so often.
        (0..60).for_each(|_| names.failed("zoe", 7, MINUTE));
        assert!(names.may_try("zoe", 7, MINUTE).is_err());
    }
}
