//! Who is here, and who is known to be elsewhere: plain data, without store and clock
//! (`realtime.md` sections 8.2 and 8.6).
//!
//! Somebody comes to this server with the first of their sockets and leaves it with the last. Where
//! several servers of ours share a Redis, the store counts over all of them (`store::redis::leases`).
//! Servers without a lease, such as the original's, don't count: what they announced is remembered here,
//! so that a user who is still on one of them is not taken out, and one whom they took out although
//! they are here is put back.

#[cfg(test)]
mod model;

use std::{
    collections::{HashMap, HashSet},
    rc::Rc,
};

use super::{leases::BEATS, user::User};
use crate::store::{
    commit::Counted,
    redis::leases::{Beat, server_of},
};

/// Beats of a lease after which what is gone is believed to be gone: more than the life of a lease, since
/// a server that was killed does not listen any more but still has one. Until then pages come back that
/// lost their server, and a subscription that was lost a moment ago stands again.
const PATIENCE: u32 = 6;

/// The sockets of each user on this server, and what is known of other servers.
#[derive(Debug, Default)]
pub struct Presence {
    here: HashMap<String, Here>,
    /// Servers that hold a lease.
    counting: HashSet<String>,
    /// Servers without a lease that have announced a user, by the user's id.
    elsewhere: HashMap<String, HashSet<String>>,
    /// Users who left and stayed online, since they were elsewhere.
    entrusted: HashSet<String>,
    /// Users who are here, although the last that was heard is that they left.
    wronged: HashMap<String, Wrong>,
    /// Users whose server without a lease is gone, and the beats for which they may come back.
    abandoned: Vec<(String, u32)>,
    /// Beats for which nobody without a lease has listened and the leases were the same.
    alone: u32,
    leases: Vec<String>,
    /// Beats for which this server has been back, if it was away or has just begun: others that were away at
    /// the same time have had so long to renew their leases.
    back: u32,
}

/// A user with sockets here.
#[derive(Debug)]
struct Here {
    user: Rc<User>,
    sockets: usize,
}

/// What was heard of a user who is here: that they left.
#[derive(Debug)]
struct Wrong {
    /// The server that said so, if it holds no lease as far as was heard: one that does takes out and announces in one
    /// step, so that whoever puts the user back announces it.
    by: Option<String>,
    /// A server of ours is about to correct it.
    is_corrected: bool,
}

/// What is to be done after a beat.
#[derive(Debug, Default, PartialEq)]
pub struct Due {
    /// Users who are here and may have been taken out.
    pub restore: Vec<Rc<User>>,
    /// Users who are here, and whom nobody has announced since they were said to have left.
    pub wronged: Vec<Rc<User>>,
    /// Processes that are dead, not just late.
    pub dead: Vec<String>,
    /// Ids of users who were on servers that are gone.
    pub ghosts: Vec<String>,
    /// There is no server without a lease any more: the others must be told, so that none takes a user
    /// to be on one while another has forgotten it.
    pub alone: bool,
}

impl Presence {
    /// A socket of a user came. True if it is their first here.
    pub fn came(&mut self, user: &Rc<User>) -> bool {
        self.entrusted.remove(&user.id);
        let here = self
            .here
            .entry(user.id.clone())
            .or_insert_with(|| Here { user: user.clone(), sockets: 0 });
        here.sockets += 1;
        here.sockets == 1
    }

    /// A socket of a user left. True if it was their last here.
    pub fn left(&mut self, user: &str) -> bool {
        match self.here.get_mut(user) {
            Some(here) if here.sockets > 1 => {
                here.sockets -= 1;
                false
            }
            Some(_) => {
                self.wronged.remove(user);
                if self.is_elsewhere(user) {
                    self.entrusted.insert(user.to_owned());
                }
                self.here.remove(user).is_some()
            }
            None => false,
        }
    }

    /// What is counted when a socket of a user came, or when a user who is here may have been taken out.
    pub fn coming(&self, user: &User, is_first: bool) -> Counted {
        Counted::Came {
            user: user.id.clone(),
            farewell: user.presence(false),
            is_first: is_first && !self.is_elsewhere(&user.id),
            corrects: self.wronged.get(&user.id).is_some_and(|wrong| wrong.by.is_some()),
        }
    }

    /// What is counted when the last socket of a user left.
    pub fn leaving(&self, user: &str) -> Counted {
        Counted::Left { user: user.to_owned(), elsewhere: self.is_elsewhere(user) }
    }

    /// Whether a user has a socket here.
    pub fn is_here(&self, user: &str) -> bool {
        self.here.contains_key(user)
    }

    /// A user with a socket here.
    pub fn user_here(&self, user: &str) -> Option<Rc<User>> {
        self.here.get(user).map(|here| here.user.clone())
    }

    /// Whether a user is on a server without a lease, as far as was heard.
    pub fn is_elsewhere(&self, user: &str) -> bool {
        self.elsewhere.contains_key(user)
    }

    /// Another server announced that a user came or left. Returns the user if they are here all the
    /// same, so that they must be put back.
    pub fn heard(&mut self, server: &str, user: &str, online: bool) -> Option<Rc<User>> {
        if online && !self.counting.contains(server) {
            self.elsewhere.entry(user.to_owned()).or_default().insert(server.to_owned());
        }
        if online {
            self.wronged.remove(user);
            return None;
        }
        self.gone_from(server, user);
        let here = self.user_here(user);
        if here.is_some() {
            let by = (!self.counting.contains(server)).then(|| server.to_owned());
            self.wronged.insert(user.to_owned(), Wrong { by, is_corrected: false });
        } else if !self.is_elsewhere(user) && self.entrusted.remove(user) {
            // They may have been taken out before they left here, and stayed for what was not heard yet.
            self.abandoned.push((user.to_owned(), 1));
        }
        here
    }

    /// Whether anybody here waits to be announced again.
    pub fn is_anybody_wronged(&self) -> bool {
        !self.wronged.is_empty()
    }

    /// Whether the last that was heard of a user who is here is that they left.
    pub fn is_wronged(&self, user: &str) -> bool {
        self.wronged.contains_key(user)
    }

    /// This server's own announcement that a user came stands behind what was heard until now. Returns the user
    /// if they had been said to have left.
    pub fn announced(&mut self, user: &str) -> Option<Rc<User>> {
        self.wronged.remove(user)?;
        self.user_here(user)
    }

    /// A server of ours says that a user is still there, behind what was heard until now. Returns the user if this
    /// one must announce them: it is the first to say so since they were said to have left.
    pub fn still_here(&mut self, user: &str, is_own: bool) -> Option<Rc<User>> {
        let is_corrected = std::mem::replace(&mut self.wronged.get_mut(user)?.is_corrected, true);
        self.user_here(user).filter(|_| is_own && !is_corrected)
    }

    fn gone_from(&mut self, server: &str, user: &str) {
        if let Some(servers) = self.elsewhere.get_mut(user) {
            servers.remove(server);
            if servers.is_empty() {
                self.elsewhere.remove(user);
            }
        }
    }

    /// A server has a lease from now on. Whoever had its name before is gone.
    pub fn counts(&mut self, server: &str) {
        if !self.counting.insert(server.to_owned()) {
            return;
        }
        let abandoned = self.elsewhere.iter().filter(|(_, servers)| servers.contains(server));
        let abandoned: Vec<String> = abandoned.map(|(user, _)| user.clone()).collect();
        for user in abandoned {
            self.gone_from(server, &user);
            if !self.is_elsewhere(&user) {
                self.entrusted.remove(&user);
            }
            self.abandoned.push((user, PATIENCE));
        }
    }

    /// A server has no lease any more.
    pub fn counts_no_more(&mut self, server: &str) {
        self.counting.remove(server);
    }

    /// The lease was renewed, after no beat was missed if it was `in_time`. What was announced may still wait to be
    /// heard (`is_behind`): then also those count who have ended since.
    pub fn beat(&mut self, beat: &Beat, in_time: bool, is_behind: bool) -> Due {
        let processes = || beat.processes.iter().map(|process| server_of(process));
        self.counting.retain(|server| is_behind || processes().any(|one| one == server));
        processes().for_each(|server| self.counts(server));
        let mut due = Due::default();
        if !beat.held {
            due.restore = self.here();
        }
        due.wronged = self.wronged.keys().filter_map(|user| self.user_here(user)).collect();
        self.wronged
            .retain(|_, wrong| wrong.by.as_ref().is_some_and(|by| !self.counting.contains(by)));
        self.wronged.values_mut().for_each(|wrong| wrong.is_corrected = false);
        self.back = if beat.held && in_time { self.back.saturating_add(1) } else { 0 };
        if self.back >= BEATS {
            due.dead.clone_from(&beat.dead);
        }
        // Each server of ours listens once.
        let is_alone = beat.listeners.is_some_and(|count| count <= beat.processes.len());
        let is_steady = self.leases == beat.processes;
        self.alone = if is_alone && is_steady { self.alone + 1 } else { 0 };
        self.leases.clone_from(&beat.processes);
        self.abandoned.iter_mut().for_each(|(_, beats)| *beats -= 1);
        let (waiting, over) = std::mem::take(&mut self.abandoned)
            .into_iter()
            .partition::<Vec<_>, _>(|(_, beats)| *beats > 0);
        self.abandoned = waiting;
        let over = over.into_iter().map(|(user, _)| user);
        due.ghosts.extend(over.filter(|user| !self.elsewhere.contains_key(user)));
        // One may have been on two servers.
        due.ghosts.sort_unstable();
        due.ghosts.dedup();
        if self.alone >= PATIENCE && !self.elsewhere.is_empty() {
            due.alone = true;
            self.others_are_gone();
        }
        due
    }

    /// The users with sockets here.
    pub fn here(&self) -> Vec<Rc<User>> {
        self.here.values().map(|here| here.user.clone()).collect()
    }

    /// Servers without a lease are all gone. With the next beat their users are out, who are nowhere else:
    /// until then what other servers do may still come from what they knew before.
    pub fn others_are_gone(&mut self) {
        self.entrusted.clear();
        let users = std::mem::take(&mut self.elsewhere).into_keys();
        self.abandoned.extend(users.map(|user| (user, 1)));
    }
}
