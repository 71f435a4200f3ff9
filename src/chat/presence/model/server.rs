//! One server of ours in the simulation: its presence, what it writes, and what it hears.

use std::collections::{BTreeSet, VecDeque};

use super::{
    super::{Presence, User},
    store::{Said, Store},
    world::PAUSE,
};
use crate::{
    contract::control::Control,
    store::{commit::Counted, redis::leases::server_of},
};

/// One server of ours, with what its sockets were told.
pub(super) struct Server {
    pub(super) process: String,
    pub(super) presence: Presence,
    pub(super) journal: VecDeque<Write>,
    pub(super) told: BTreeSet<String>,
    /// How much of what was published it has heard or missed.
    pub(super) heard: usize,
    pub(super) ear: Ear,
    /// What was heard of it and waits, since something before it may be missing.
    pub(super) waiting: Vec<usize>,
    pub(super) sockets: Vec<usize>,
    pub(super) is_cut: bool,
    /// It was cut alone since it last renewed its lease: the others may take it for dead.
    pub(super) was_alone: bool,
    pub(super) renewed: Option<u64>,
    /// When it last began to reach the store.
    pub(super) up_since: u64,
    pub(super) next_beat: u64,
}

/// What becomes of announcements on their way to a server.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Ear {
    Hears,
    /// It will soon be deaf.
    HearsYet(usize),
    Deaf,
    /// They wait until it knows what it missed.
    Listens,
}

pub(super) enum Write {
    Count(Counted),
    /// A message, with which its sender is looked for in the online set.
    Say(String),
    /// Announces a user who is back.
    Tell(String),
}

impl Server {
    /// One that has just begun, and hears all that is said from now on.
    pub(super) fn start(process: String, store: &Store) -> Server {
        Server {
            process,
            presence: Presence::default(),
            journal: VecDeque::new(),
            told: store.online.clone(),
            heard: store.said.len(),
            ear: Ear::Hears,
            waiting: Vec::new(),
            sockets: Vec::new(),
            is_cut: false,
            was_alone: false,
            renewed: None,
            up_since: store.now,
            next_beat: store.now + PAUSE,
        }
    }

    /// The store is there again: what was announced is missed, and who is online is read.
    pub(super) fn reach(&mut self, store: &Store) {
        self.up_since = store.now;
        if self.hears() {
            self.ear = Ear::Hears;
            self.heard = store.said.len();
            self.look(store);
        }
    }

    /// Does what waits to be written. True if something did.
    pub(super) fn write(&mut self, store: &mut Store) -> bool {
        let mut busy = false;
        while let Some(write) = self.journal.pop_front() {
            busy = true;
            match write {
                Write::Count(change) => {
                    let news = store.count(&self.process, &change);
                    self.tell(&change, news);
                }
                Write::Say(user) if !store.online.contains(&user) => {
                    self.told.remove(&user);
                    if let Some(user) = self.presence.user_here(&user) {
                        self.come(&user, false);
                    }
                }
                Write::Say(_) => {}
                Write::Tell(user) => {
                    store.announce(server_of(&self.process), &user, true);
                    self.told.insert(user);
                }
            }
        }
        busy
    }

    /// Hears what was published since. True if something was.
    pub(super) fn listen(&mut self, store: &Store) -> bool {
        let mut busy = false;
        while let Some(said) = store.said.get(self.heard)
            && self.ear != Ear::Deaf
        {
            busy = true;
            if self.ear == Ear::Listens {
                if let Said::Control(Control::LeaseEnded { server }) = said {
                    self.presence.counts(server);
                }
                self.waiting.push(self.heard);
            } else {
                self.take_in(said);
            }
            self.heard += 1;
            self.ear = match self.ear {
                Ear::HearsYet(1) => Ear::Deaf,
                Ear::HearsYet(more) => Ear::HearsYet(more - 1),
                ear => ear,
            };
        }
        busy
    }

    /// Takes in what waited, when it knows who counts.
    pub(super) fn catch_up(&mut self, store: &Store) {
        self.look(store);
        self.ear = Ear::Hears;
        std::mem::take(&mut self.waiting).into_iter().for_each(|at| self.take_in(&store.said[at]));
        self.look(store);
    }

    pub(super) fn hears(&self) -> bool {
        matches!(self.ear, Ear::Hears | Ear::HearsYet(_))
    }

    /// Who counts and who is online is read.
    pub(super) fn look(&mut self, store: &Store) {
        store.leases.keys().for_each(|process| self.presence.counts(server_of(process)));
        self.told = store.online.clone();
        let here = self.presence.here();
        here.iter()
            .filter(|one| !store.online.contains(&one.id))
            .for_each(|one| self.come(one, false));
    }

    pub(super) fn come(&mut self, user: &User, is_first: bool) {
        self.journal.push_back(Write::Count(self.presence.coming(user, is_first)));
    }

    pub(super) fn close(&mut self, number: usize) {
        let user = number.to_string();
        if self.presence.left(&user) {
            self.journal.push_back(Write::Count(self.presence.leaving(&user)));
        }
    }

    fn tell(&mut self, change: &Counted, news: bool) {
        let (Counted::Came { user, .. } | Counted::Left { user, .. }) = change;
        if news && matches!(change, Counted::Left { .. }) {
            self.told.remove(user);
        } else if news || (self.presence.is_here(user) && !self.presence.is_wronged(user)) {
            self.told.insert(user.clone());
        }
    }

    fn take_in(&mut self, said: &Said) {
        match said {
            Said::User(from, user, online) => self.hear(from, user, *online),
            Said::Control(control) => self.control(control),
        }
    }

    fn control(&mut self, control: &Control) {
        match control {
            Control::LeaseBegun { server } => self.presence.counts(server),
            Control::LeaseEnded { server } => self.presence.counts_no_more(server),
            Control::StillHere { user, server } => {
                let is_own = server == server_of(&self.process);
                if let Some(user) = self.presence.still_here(user, is_own) {
                    self.journal.push_back(Write::Tell(user.id.clone()));
                }
            }
            _ => self.presence.others_are_gone(),
        }
    }

    fn hear(&mut self, from: &str, user: &str, online: bool) {
        if from == server_of(&self.process) {
            if online && self.presence.announced(user).is_some() {
                self.told.insert(user.into());
            }
            return;
        }
        if online {
            self.told.insert(user.into())
        } else {
            self.told.remove(user)
        };
        if let Some(user) = self.presence.heard(from, user, online) {
            self.come(&user, false);
        }
    }
}
