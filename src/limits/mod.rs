//! What one client may use: attempts to sign in, new sessions, sockets, events, sizes
//! (`http-and-redis.md` section 15, 14). `docs/OPERATIONS.md` tells the rules and their reasons.
//!
//! The parts know neither the clock nor the network: [`bucket`], [`buckets`], [`names`], [`sockets`].
//! The limit of events is a bucket in each engine session. What is over a limit is
//! refused before it costs anything, and counted in the log.

pub mod address;
pub mod bucket;
pub mod buckets;
pub mod names;
pub mod sockets;

use std::{
    cell::{Cell, RefCell},
    hash::{BuildHasher as _, RandomState},
    net::IpAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use hyper::header::HeaderMap;

use self::{
    bucket::{Micros, Rate},
    buckets::Buckets,
    names::Names,
    sockets::{Seat, Sockets},
};
use crate::{
    config::{LimitSettings, Network},
    tally::Tally,
};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// What can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// `LOGINS_PER_ADDRESS`.
    LoginsPerAddress,
    /// `REGISTRATIONS_PER_ADDRESS`.
    RegistrationsPerAddress,
    /// `FAILED_LOGINS_PER_NAME_AND_ADDRESS`.
    FailedLoginsPerNameAndAddress,
    /// `FAILED_LOGINS_PER_NAME`.
    FailedLoginsPerName,
    /// `SESSIONS_PER_ADDRESS`.
    SessionsPerAddress,
    /// `SOCKETS_PER_ADDRESS`.
    SocketsPerAddress,
    /// `SOCKETS_PER_SESSION`.
    SocketsPerSession,
    /// `EVENTS_PER_SOCKET`.
    EventsPerSocket,
}

impl Limit {
    const COUNT: usize = Limit::EventsPerSocket as usize + 1;

    /// The setting that moves it.
    pub fn setting(self) -> &'static str {
        match self {
            Limit::LoginsPerAddress => "LOGINS_PER_ADDRESS",
            Limit::RegistrationsPerAddress => "REGISTRATIONS_PER_ADDRESS",
            Limit::FailedLoginsPerNameAndAddress => "FAILED_LOGINS_PER_NAME_AND_ADDRESS",
            Limit::FailedLoginsPerName => "FAILED_LOGINS_PER_NAME",
            Limit::SessionsPerAddress => "SESSIONS_PER_ADDRESS",
            Limit::SocketsPerAddress => "SOCKETS_PER_ADDRESS",
            Limit::SocketsPerSession => "SOCKETS_PER_SESSION",
            Limit::EventsPerSocket => "EVENTS_PER_SOCKET",
        }
    }

    /// What is too many, for whoever is refused.
    fn subject(self) -> &'static str {
        match self {
            Limit::LoginsPerAddress => "attempts to sign in from your network",
            Limit::RegistrationsPerAddress => "new names from your network",
            Limit::FailedLoginsPerNameAndAddress | Limit::FailedLoginsPerName => {
                "wrong passwords for this name"
            }
            Limit::SessionsPerAddress => "new sessions from your network",
            Limit::SocketsPerAddress => "connections from your network",
            Limit::SocketsPerSession => "connections of your browser",
            Limit::EventsPerSocket => "events in a short time",
        }
    }
}

/// A limit is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Over {
    limit: Limit,
    wait: Duration,
}

impl Over {
    /// More events than a socket may send at this rate. [`Sockets`] lets its client wait as long.
    pub fn events(rate: Rate) -> Over {
        Over { limit: Limit::EventsPerSocket, wait: Duration::from_micros(rate.capacity()) }
    }

    /// Whole seconds after which to try again, for `Retry-After`.
    pub fn seconds(self) -> u64 {
        self.wait.as_millis().div_ceil(1000).max(1) as u64
    }

    /// A sentence for whoever is refused.
    pub fn message(self) -> String {
        let (number, unit) = match self.seconds() {
            1 => (1, "second"),
            seconds @ 2..120 => (seconds, "seconds"),
            seconds => (seconds.div_ceil(60), "minutes"),
        };
        format!("Too many {}. Try again in {number} {unit}.", self.limit.subject())
    }
}

/// The limits of one server. Owned by its loop.
pub struct Limits {
    /// `None`: nothing is limited.
    on: Option<On>,
    proxies: Vec<Network>,
    /// Somebody who is no trusted proxy sends `X-Forwarded-For`.
    is_unheeded: Cell<bool>,
}

struct On {
    started: Instant,
    hasher: RandomState,
    logins: RefCell<Buckets>,
    registrations: RefCell<Buckets>,
    names: RefCell<Names>,
    sessions: RefCell<Buckets>,
    sockets: Rc<Sockets>,
    name_bytes: usize,
    refused: [Tally; Limit::COUNT],
}

impl On {
    fn now(&self) -> Micros {
        self.started.elapsed().as_micros() as Micros
    }

    /// Counts what is refused, and logs the count unless that was done a moment ago.
    fn over(&self, limit: Limit, wait: Duration, address: IpAddr, hint: &str) -> Over {
        if let Some(refused_so_far) = self.refused[limit as usize].note() {
            let setting = limit.setting();
            tracing::warn!(%address, setting, refused_so_far, "a limit is reached{hint}");
        }
        Over { limit, wait }
    }
}

impl Limits {
    /// The limits of these settings, or none. `proxies` are believed when they say whom they ask for.
    pub fn new(settings: Option<&LimitSettings>, proxies: &[Network]) -> Limits {
        let hourly = |count| Rate::per(count, HOUR);
        let on = settings.map(|settings| On {
            started: Instant::now(),
            hasher: RandomState::new(),
            logins: Buckets::new(hourly(settings.logins_per_address)).into(),
            registrations: Buckets::new(hourly(settings.registrations_per_address)).into(),
            names: RefCell::new(Names::new(
                hourly(settings.failed_logins_per_name_and_address),
                hourly(settings.failed_logins_per_name),
            )),
            sessions: Buckets::new(hourly(settings.sessions_per_address)).into(),
            sockets: Sockets::new(
                settings.sockets_per_address,
                settings.sockets_per_session,
                events(settings),
            ),
            name_bytes: settings.name_bytes,
            refused: Default::default(),
        });
        Limits { on, proxies: proxies.to_vec(), is_unheeded: Cell::new(false) }
    }

    /// The address of the client behind a request from `peer`.
    pub fn client(&self, headers: &HeaderMap, peer: IpAddr) -> IpAddr {
        if self.on.is_none() {
            return peer;
        }
        let client = address::of_client(&self.proxies, headers, peer);
        if client == peer && headers.contains_key(address::FORWARDED_FOR) {
            self.is_unheeded.set(true);
        }
        client
    }

    fn over(&self, on: &On, limit: Limit, wait: Duration, address: IpAddr) -> Over {
        let hint = if self.is_unheeded.get() {
            ". If a proxy stands before this server, name it in TRUSTED_PROXIES: \
             an X-Forwarded-For came that does not count, so all behind it may be one client"
        } else {
            ""
        };
        on.over(limit, wait, address, hint)
    }

    fn take(
        &self,
        on: &On,
        buckets: &RefCell<Buckets>,
        limit: Limit,
        address: IpAddr,
    ) -> Result<(), Over> {
        let taken = buckets.borrow_mut().take(address::key(address), on.now());
        taken.map_err(|wait| self.over(on, limit, Duration::from_micros(wait), address))
    }

    /// Somebody tries to sign in with a name, or to register it.
    ///
    /// # Errors
    /// If that was tried too often from the address, or with wrong passwords for the name.
    pub fn login(&self, address: IpAddr, name: &str) -> Result<(), Over> {
        let Some(on) = &self.on else { return Ok(()) };
        let tried = on.names.borrow().may_try(name, address::key(address), on.now());
        if let Err((limit, wait)) = tried {
            return Err(self.over(on, limit, Duration::from_micros(wait), address));
        }
        self.take(on, &on.logins, Limit::LoginsPerAddress, address)
    }

    /// The name of an attempt is a new one.
    ///
    /// # Errors
    /// If too many names were registered from the address.
    pub fn registration(&self, address: IpAddr) -> Result<(), Over> {
        let Some(on) = &self.on else { return Ok(()) };
        self.take(on, &on.registrations, Limit::RegistrationsPerAddress, address)
    }

    /// The most bytes that a new name may have, if it has more.
    pub fn name_is_over(&self, name: &str) -> Option<usize> {
        let most = self.on.as_ref()?.name_bytes;
        (name.len() > most).then_some(most)
    }

    /// The password of an attempt was wrong.
    pub fn login_failed(&self, address: IpAddr, name: &str) {
        if let Some(on) = &self.on {
            on.names.borrow_mut().failed(name, address::key(address), on.now());
        }
    }

    /// An attempt succeeded.
    pub fn signed_in(&self, address: IpAddr, name: &str) {
        if let Some(on) = &self.on {
            on.names.borrow_mut().signed_in(name, address::key(address), on.now());
        }
    }

    /// Whether a session may be made for somebody who came without one and did not sign in. If not, they
    /// are answered all the same, without a cookie.
    pub fn may_make_session(&self, address: IpAddr) -> bool {
        let Some(on) = &self.on else { return true };
        self.take(on, &on.sessions, Limit::SessionsPerAddress, address).is_ok()
    }

    /// Counts a socket of an address and the session that its handshake names, as long as the seat
    /// lives; `None` if sockets are not counted.
    ///
    /// # Errors
    /// If there are too many, or one of them sent too much just now.
    pub fn socket(
        &self,
        address: IpAddr,
        session: impl FnOnce() -> Option<String>,
    ) -> Result<Option<Seat>, Over> {
        let Some(on) = &self.on else { return Ok(None) };
        let session = session().map(|sid| on.hasher.hash_one(sid));
        let seat = on.sockets.seat(address::key(address), session);
        seat.map(Some).map_err(|(limit, wait)| self.over(on, limit, wait, address))
    }
}

/// How often one socket may send.
pub fn events(settings: &LimitSettings) -> Rate {
    Rate::with_burst(settings.events_per_socket, SECOND, settings.events_burst)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_is_told_in_whole_units() {
        let over = |millis| Over {
            limit: Limit::FailedLoginsPerName,
            wait: Duration::from_millis(millis),
        };
        for (millis, seconds, words) in [
            (0, 1, "1 second"),
            (1, 1, "1 second"),
            (1001, 2, "2 seconds"),
            (119_000, 119, "119 seconds"),
            (119_001, 120, "2 minutes"),
            (120_001, 121, "3 minutes"),
        ] {
            assert_eq!(over(millis).seconds(), seconds);
            let message = format!("Too many wrong passwords for this name. Try again in {words}.");
            assert_eq!(over(millis).message(), message);
        }
    }

    #[test]
    fn without_settings_nothing_is_limited() {
        let (limits, address) = (Limits::new(None, &[]), IpAddr::from([192, 0, 2, 1]));
        for _ in 0..100_000 {
            limits.login_failed(address, "zoe");
            assert_eq!(limits.login(address, "zoe"), Ok(()));
            assert!(limits.may_make_session(address));
        }
        assert!(limits.socket(address, || None).is_ok_and(|seat| seat.is_none()));
        assert_eq!(limits.name_is_over(&"x".repeat(90_000)), None);
    }
}
