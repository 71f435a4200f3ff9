//! The drop-in store: the original's keys on a Redis that Node servers may share.
//!
//! Keys are in [`crate::contract::keys`]; command sequences in `http-and-redis.md` section 8. What
//! the original asks one after the other goes in one pipeline here, which clients can't see.

mod connect;
pub mod dump;
mod guess;
mod journal;
pub mod leases;
pub mod link;
mod records;
mod reply;
mod rooms;
pub mod seed;
mod sessions;
mod start;
mod users;

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use redis::Pipeline;

pub(crate) use self::{
    connect::{Backoff, reason, timed_out, within},
    reply::takes_no_writes,
};
use self::{guess::Guesses, journal::Journal, leases::Leases, link::Link, reply::Replies};
use crate::{store::Result, tally::Tally};

/// The store on Redis. Its verbs are documented at [`crate::store::Store`].
#[derive(Clone)]
pub struct RedisStore {
    link: Link,
    journal: Journal,
    leases: Leases,
    /// This Redis has refused SORT, and is not asked again.
    sort_is_refused: Rc<Cell<bool>>,
    /// Sessions that were read without a new life.
    unrenewed: Rc<Tally>,
    /// Which rooms a user likely has.
    guesses: Rc<RefCell<Guesses>>,
}

impl RedisStore {
    /// A store over a link for single verbs and one for ordered writes. `process` is a name that no
    /// other process ever has.
    pub fn new(link: Link, ordered: Link, process: &str) -> Self {
        let leases = Leases::new(link.clone(), process);
        let journal = Journal::start(ordered, process);
        let (sort_is_refused, unrenewed, guesses) = Default::default();
        Self { link, journal, leases, sort_is_refused, unrenewed, guesses }
    }

    /// The link for single verbs.
    pub fn link(&self) -> &Link {
        &self.link
    }

    /// The ordered writes.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Who is online, counted over all servers.
    pub fn leases(&self) -> &Leases {
        &self.leases
    }

    /// One round trip.
    async fn ask(&self, pipeline: &Pipeline) -> Result<Replies> {
        Ok(Replies::new(self.link.query(pipeline).await?))
    }
}
