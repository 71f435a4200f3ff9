//! The simulated store: what the scripts of `store::redis::leases` do, as plain data.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    contract::control::Control,
    store::{
        commit::Counted,
        redis::leases::{Beat, server_of},
    },
};

pub(super) const LIFE: u64 = 9_000;

/// What stands in Redis, and what was published.
#[derive(Default)]
pub(super) struct Store {
    pub(super) now: u64,
    pub(super) online: BTreeSet<String>,
    pub(super) leases: BTreeMap<String, u64>,
    pub(super) held: BTreeMap<String, BTreeSet<String>>,
    /// What was published, in its order.
    pub(super) said: Vec<Said>,
}

/// Something that was published.
pub(super) enum Said {
    /// An announcement: server, user, whether they came.
    User(String, String, bool),
    /// What servers of ours told each other.
    Control(Control),
}

impl Store {
    fn elsewhere(&self, process: &str, user: &str) -> bool {
        self.leases.keys().any(|other| {
            other != process && self.held.get(other).is_some_and(|users| users.contains(user))
        })
    }

    pub(super) fn announce(&mut self, server: &str, user: &str, online: bool) {
        self.said.push(Said::User(server.into(), user.into(), online));
    }

    pub(super) fn tell(&mut self, control: Control) {
        self.said.push(Said::Control(control));
    }

    pub(super) fn count(&mut self, process: &str, change: &Counted) -> bool {
        let server = server_of(process).to_owned();
        match change {
            Counted::Came { user, is_first, corrects, .. } => {
                if !self.leases.contains_key(process) {
                    self.leases.insert(process.into(), 0);
                    self.tell(Control::LeaseBegun { server: server.clone() });
                }
                self.held.entry(process.into()).or_default().insert(user.clone());
                let news = self.online.insert(user.clone())
                    || (*is_first && !self.elsewhere(process, user));
                if news {
                    self.announce(&server, user, true);
                } else if *corrects {
                    self.tell(Control::StillHere { user: user.clone(), server });
                }
                news
            }
            Counted::Left { user, elsewhere } => {
                self.held.entry(process.into()).or_default().remove(user);
                let news = !elsewhere && !self.elsewhere(process, user) && self.online.remove(user);
                if news {
                    self.announce(&server, user, false);
                }
                news
            }
        }
    }

    pub(super) fn beat(&mut self, process: &str, listeners: usize) -> Beat {
        let now = self.now;
        let held = self.leases.insert(process.into(), now + LIFE).is_some_and(|ends| ends >= now);
        if !held {
            self.tell(Control::LeaseBegun { server: server_of(process).into() });
        }
        let dead = self.leases.iter().filter(|(_, ends)| **ends < now);
        Beat {
            held,
            dead: dead.map(|(process, _)| process.clone()).collect(),
            processes: self.leases.keys().cloned().collect(),
            listeners: Some(listeners),
        }
    }

    pub(super) fn take_out(
        &mut self,
        by: &str,
        process: Option<&str>,
        users: &[(String, bool)],
    ) -> Vec<String> {
        if process.and_then(|p| self.leases.get(p)).is_some_and(|ends| *ends >= self.now) {
            return Vec::new();
        }
        let mut out = Vec::new();
        for (user, keep) in users {
            let due = match process {
                Some(process) => self.held.entry(process.into()).or_default().remove(user),
                None => true,
            };
            let stays = *keep || self.elsewhere(process.unwrap_or_default(), user);
            if due && !stays && self.online.remove(user) {
                self.announce(by, user, false);
                out.push(user.clone());
            }
        }
        if let Some(process) = process
            && self.held.get(process).is_none_or(BTreeSet::is_empty)
            && self.leases.remove(process).is_some()
            && !self.leases.keys().any(|other| server_of(other) == server_of(process))
        {
            self.tell(Control::LeaseEnded { server: server_of(process).into() });
        }
        out
    }
}
