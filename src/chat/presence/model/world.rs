//! Simulated servers of ours, one that does not count, and a clock.

use std::{
    collections::{BTreeSet, VecDeque},
    rc::Rc,
};

use super::{
    PROMISE, SERVERS, USERS,
    server::{Ear, Server, Write},
    store::{LIFE, Store},
};
use crate::{
    chat::user::User, contract::control::Control, js::Json, store::redis::leases::server_of,
};

pub(super) const PAUSE: u64 = 3_000;
const NODE: &str = "node";

#[derive(Debug, Clone)]
pub(super) enum Step {
    Open(usize, usize),
    Close(usize, usize),
    Wait(u64),
    Start(usize),
    Stop(usize),
    Kill(usize),
    Cut(usize),
    Heal(usize),
    /// Its subscription alone is lost when it has heard so much more, and stands again; who counts is read then or
    /// later, and it takes in what waited.
    Deaf(usize, usize),
    Listens(usize),
    Looks(usize),
    Hears(usize),
    /// A message of one of the sockets.
    Say(usize, usize),
    /// Redis itself is away for all, and back.
    Away,
    Back,
    NodeOpen(usize),
    /// It takes a user out, and announces later whom it took out first.
    NodeClose(usize),
    NodeSays,
    NodeEnds,
}

#[derive(Default)]
pub(super) struct World {
    pub(super) store: Store,
    pub(super) servers: [Option<Server>; SERVERS],
    started: usize,
    is_away: bool,
    /// Whether there ever is a server without a lease, and its users; `None` once it has ended.
    has_node: bool,
    node: Option<BTreeSet<usize>>,
    /// Whom it took out and did not announce yet.
    unsaid: VecDeque<usize>,
    /// When each user last had a socket.
    seen: [u64; USERS],
}

pub(super) fn user(number: usize) -> Rc<User> {
    let text = format!(r#"{{"id":"{number}"}}"#);
    Rc::new(User::of(Some(&Json::parse(&text).unwrap())).unwrap())
}

impl World {
    pub(super) fn new(has_node: bool) -> World {
        World { has_node, node: has_node.then(BTreeSet::new), ..World::default() }
    }

    pub(super) fn step(&mut self, step: &Step) {
        // It takes the peer no time to say whom it took out, and a server that ends just then can't hear it, or does
        // no longer what follows with its next beat.
        if matches!(step, Step::Wait(_) | Step::Stop(_) | Step::Kill(_) | Step::NodeEnds) {
            while !self.unsaid.is_empty() {
                self.step(&Step::NodeSays);
            }
        }
        let is_due =
            |server: &Server| server.presence.abandoned.iter().any(|(_, beats)| *beats == 1);
        if self.has_node
            && matches!(step, Step::Stop(_) | Step::Kill(_))
            && self.servers.iter().flatten().any(is_due)
        {
            self.wait(PAUSE);
        }
        match *step {
            Step::Open(at, number) => {
                if let Some(server) = &mut self.servers[at] {
                    let user = user(number);
                    let is_first = server.presence.came(&user);
                    server.sockets.push(number);
                    server.come(&user, is_first);
                }
            }
            Step::Close(at, which) => {
                if let Some(server) = &mut self.servers[at]
                    && !server.sockets.is_empty()
                {
                    let number = server.sockets.swap_remove(which % server.sockets.len());
                    server.close(number);
                }
            }
            Step::Wait(millis) => return self.wait(millis),
            Step::Start(at) if self.servers[at].is_none() && !self.is_away => self.start(at),
            Step::Start(_) => {}
            Step::Stop(at) => {
                if let Some(server) = &mut self.servers[at]
                    && !server.is_cut
                    && !self.is_away
                {
                    for number in std::mem::take(&mut server.sockets) {
                        server.close(number);
                    }
                    self.settle();
                    if let Some(server) = self.servers[at].take() {
                        self.store.held.remove(&server.process);
                        self.store.leases.remove(&server.process);
                        let server = server_of(&server.process).into();
                        self.store.tell(Control::LeaseEnded { server });
                    }
                }
            }
            Step::Kill(at) => self.servers[at] = None,
            Step::Cut(at) => {
                if let Some(server) = &mut self.servers[at] {
                    server.is_cut = true;
                    server.was_alone = true;
                }
            }
            Step::Heal(at) => {
                if let Some(server) = self.servers[at].as_mut().filter(|server| server.is_cut) {
                    server.is_cut = false;
                    if !self.is_away {
                        server.reach(&self.store);
                    }
                }
            }
            Step::Deaf(at, more) => {
                if let Some(server) = &mut self.servers[at] {
                    server.ear =
                        if more > 0 && server.hears() { Ear::HearsYet(more) } else { Ear::Deaf };
                }
            }
            Step::Listens(at) => {
                let deaf = |one: &&mut Server| one.ear == Ear::Deaf && !one.is_cut;
                if let Some(server) = self.servers[at].as_mut().filter(deaf)
                    && !self.is_away
                {
                    server.heard = self.store.said.len();
                    server.ear = Ear::Listens;
                }
            }
            Step::Looks(at) => {
                let listens = |one: &&mut Server| one.ear == Ear::Listens && !one.is_cut;
                if let Some(server) = self.servers[at].as_mut().filter(listens)
                    && !self.is_away
                {
                    server.look(&self.store);
                }
            }
            Step::Hears(at) => {
                let listens = |one: &&mut Server| one.ear == Ear::Listens && !one.is_cut;
                if let Some(server) = self.servers[at].as_mut().filter(listens)
                    && !self.is_away
                {
                    server.catch_up(&self.store);
                }
            }
            Step::Say(at, which) => {
                if let Some(server) = &mut self.servers[at]
                    && !server.sockets.is_empty()
                {
                    let user = server.sockets[which % server.sockets.len()].to_string();
                    server.journal.push_back(Write::Say(user));
                }
            }
            Step::Away => self.is_away = true,
            Step::Back => {
                if std::mem::replace(&mut self.is_away, false) {
                    let servers = self.servers.iter_mut().flatten();
                    servers.filter(|one| !one.is_cut).for_each(|one| one.reach(&self.store));
                }
            }
            Step::NodeOpen(number) => {
                // What becomes of a user who comes back in between is its own affair.
                if !self.unsaid.contains(&number)
                    && self.node.as_mut().is_some_and(|users| users.insert(number))
                {
                    self.store.online.insert(number.to_string());
                    self.store.announce(NODE, &number.to_string(), true);
                }
            }
            Step::NodeClose(number) => {
                if self.node.as_mut().is_some_and(|users| users.remove(&number)) {
                    self.store.online.remove(&number.to_string());
                    self.unsaid.push_back(number);
                }
            }
            Step::NodeSays => {
                if let Some(number) = self.unsaid.pop_front() {
                    self.store.announce(NODE, &number.to_string(), false);
                }
            }
            Step::NodeEnds => self.node = None,
        }
        self.settle();
    }

    fn start(&mut self, at: usize) {
        self.started += 1;
        let process = format!("server {at}:{}", self.started);
        self.servers[at] = Some(Server::start(process, &self.store));
        self.beat(at);
    }

    fn wait(&mut self, millis: u64) {
        let until = self.store.now + millis;
        loop {
            let next = (0..SERVERS)
                .filter_map(|at| Some((self.servers[at].as_ref()?.next_beat, at)))
                .min()
                .filter(|(when, _)| *when <= until);
            let Some((when, at)) = next else { break };
            self.store.now = when;
            if let Some(server) = &mut self.servers[at] {
                server.next_beat = when + PAUSE;
            }
            self.beat(at);
            self.settle();
        }
        self.store.now = until;
        self.settle();
    }

    fn beat(&mut self, at: usize) {
        let reach = self.servers.iter().flatten().filter(|server| !server.is_cut).count();
        let listeners = reach + usize::from(self.node.is_some());
        let is_away = self.is_away;
        let reached = |server: &&mut Server| !server.is_cut && !is_away;
        let Some(server) = self.servers[at].as_mut().filter(reached) else { return };
        let name = server_of(&server.process).to_owned();
        let beat = self.store.beat(&server.process, listeners);
        server.was_alone = false;
        let last = server.renewed.replace(self.store.now);
        let in_time = last.is_some_and(|last| self.store.now - last < LIFE / 2);
        let due = server.presence.beat(&beat, in_time, !server.waiting.is_empty());
        for user in due.restore.iter().chain(&due.wronged) {
            server.come(user, false);
        }
        let mut gone = Vec::new();
        for process in &due.dead {
            let users = self.store.held.get(process).into_iter().flatten();
            let users: Vec<_> =
                users.map(|user| (user.clone(), server.presence.is_elsewhere(user))).collect();
            for user in self.store.take_out(&name, Some(process), &users) {
                server.told.remove(&user);
                gone.push(user);
            }
        }
        if due.alone {
            self.store.tell(Control::OthersGone);
        }
        let ghosts = due.ghosts.into_iter();
        let ghosts: Vec<_> =
            ghosts.map(|user| (user.clone(), server.presence.is_elsewhere(&user))).collect();
        for user in self.store.take_out(&name, None, &ghosts) {
            server.told.remove(&user);
        }
        // When Redis was away for all, nobody is dead who is back.
        for server in self.servers.iter().flatten().filter(|server| !server.was_alone) {
            let here = |user: &String| server.sockets.iter().any(|n| n.to_string() == *user);
            let wronged = gone.iter().find(|user| here(user));
            assert_eq!(wronged, None, "{} still has this user", server.process);
        }
    }

    /// Lets all writes be done and all announcements be heard that can be.
    fn settle(&mut self) {
        let mut busy = true;
        while busy {
            busy = false;
            let is_away = self.is_away;
            let reached = |server: &&mut Server| !server.is_cut && !is_away;
            for server in self.servers.iter_mut().flatten().filter(reached) {
                busy |= server.write(&mut self.store);
                busy |= server.listen(&self.store);
            }
        }
        self.check();
    }

    pub(super) fn is_open(&self, number: usize) -> bool {
        self.servers.iter().flatten().any(|server| server.sockets.contains(&number))
            || self.node.as_ref().is_some_and(|users| users.contains(&number))
    }

    /// What must hold at any time.
    fn check(&mut self) {
        let now = self.store.now;
        let reached = |server: &&Server| !server.is_cut && !self.is_away;
        let reached = self.servers.iter().flatten().filter(reached);
        let long_up = reached.clone().any(|server| server.up_since + PROMISE <= now);
        let is_cut = self.servers.iter().flatten().any(|server| server.is_cut);
        for number in 0..USERS {
            let is_online = self.store.online.contains(&number.to_string());
            // Whom the peer took out is put back when that is heard.
            let is_unsaid = self.unsaid.contains(&number);
            if self.is_open(number) {
                self.seen[number] = now;
            }
            // Whom others have taken out is put back with the next beat.
            let mut long_reached = reached.clone().filter(|server| server.up_since + PAUSE < now);
            let has_way = long_reached.any(|server| server.sockets.contains(&number));
            let may_be = is_online || is_unsaid;
            assert!(may_be || !has_way, "user {number} is offline with an open socket");
            if long_up && !is_cut && !self.has_node && self.seen[number] + PROMISE <= now {
                assert!(!is_online, "user {number} stays online without a socket");
            }
            // In those sequences nothing is cut, so that nothing is unheard.
            if self.has_node && self.node.is_some() {
                assert!(may_be || !self.is_open(number), "user {number} is offline on the peer");
            }
        }
    }
}
