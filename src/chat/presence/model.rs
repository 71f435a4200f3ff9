//! Presence over several servers, with a simulated store and clock, against the plain oracle of open
//! sockets: random tabs, starts, stops, kills and cuts.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    rc::Rc,
};

use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use super::{Presence, server_of};
use crate::{
    chat::user::User,
    contract::control::Control,
    js::Json,
    store::{commit::Counted, redis::leases::Beat},
};

const LIFE: u64 = 9_000;
const PAUSE: u64 = 3_000;
/// Within which the users of a killed server are offline.
const PROMISE: u64 = 15_000;
const USERS: usize = 4;
const SERVERS: usize = 3;
const NODE: &str = "node";

#[derive(Debug, Clone)]
enum Step {
    Open(usize, usize),
    Close(usize, usize),
    Wait(u64),
    Start(usize),
    Stop(usize),
    Kill(usize),
    Cut(usize),
    Heal(usize),
    NodeOpen(usize),
    NodeClose(usize),
    NodeEnds,
}

/// What the scripts of `store::redis::leases` do.
#[derive(Default)]
struct Store {
    now: u64,
    online: BTreeSet<String>,
    leases: BTreeMap<String, u64>,
    held: BTreeMap<String, BTreeSet<String>>,
    /// What was announced: server, user, whether they came.
    announced: Vec<(String, String, bool)>,
    /// What servers of ours told each other.
    told: Vec<Control>,
}

impl Store {
    fn elsewhere(&self, process: &str, user: &str) -> bool {
        self.leases.keys().any(|other| {
            other != process && self.held.get(other).is_some_and(|users| users.contains(user))
        })
    }

    fn announce(&mut self, server: &str, user: &str, online: bool) {
        self.announced.push((server.into(), user.into(), online));
    }

    fn count(&mut self, process: &str, change: &Counted) -> bool {
        let server = server_of(process).to_owned();
        match change {
            Counted::Came { user, is_first, .. } => {
                if !self.leases.contains_key(process) {
                    self.leases.insert(process.into(), 0);
                    self.told.push(Control::LeaseBegun { server });
                }
                let server = server_of(process);
                self.held.entry(process.into()).or_default().insert(user.clone());
                let news = self.online.insert(user.clone())
                    || (*is_first && !self.elsewhere(process, user));
                if news {
                    self.announce(server, user, true);
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

    fn beat(&mut self, process: &str, listeners: usize) -> Beat {
        let now = self.now;
        let held = self.leases.insert(process.into(), now + LIFE).is_some_and(|ends| ends >= now);
        if !held {
            self.told.push(Control::LeaseBegun { server: server_of(process).into() });
        }
        let dead = self.leases.iter().filter(|(_, ends)| **ends < now);
        Beat {
            held,
            dead: dead.map(|(process, _)| process.clone()).collect(),
            processes: self.leases.keys().cloned().collect(),
            listeners: Some(listeners),
        }
    }

    fn take_out(
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
            self.told.push(Control::LeaseEnded { server: server_of(process).into() });
        }
        out
    }
}

/// One server of ours, with what its sockets were told.
struct Server {
    process: String,
    presence: Presence,
    journal: VecDeque<Counted>,
    told: BTreeSet<String>,
    /// How much of what was announced and told it has heard or missed.
    heard: usize,
    controlled: usize,
    sockets: Vec<usize>,
    is_cut: bool,
    /// When it last began to reach the store.
    up_since: u64,
    next_beat: u64,
}

#[derive(Default)]
struct World {
    store: Store,
    servers: [Option<Server>; SERVERS],
    started: usize,
    /// Whether there ever is a server without a lease, and its users; `None` once it has ended.
    has_node: bool,
    node: Option<BTreeSet<usize>>,
    /// When each user last had a socket.
    seen: [u64; USERS],
}

fn user(number: usize) -> Rc<User> {
    let text = format!(r#"{{"id":"{number}"}}"#);
    Rc::new(User::of(Some(&Json::parse(&text).unwrap())).unwrap())
}

impl World {
    fn step(&mut self, step: &Step) {
        match *step {
            Step::Open(at, number) => {
                if let Some(server) = &mut self.servers[at] {
                    let user = user(number);
                    let is_first = server.presence.came(&user);
                    server.sockets.push(number);
                    server.journal.push_back(server.presence.coming(&user, is_first));
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
            Step::Start(at) if self.servers[at].is_none() => self.start(at),
            Step::Start(_) => {}
            Step::Stop(at) => {
                if let Some(server) = &mut self.servers[at]
                    && !server.is_cut
                {
                    for number in std::mem::take(&mut server.sockets) {
                        server.close(number);
                    }
                    self.settle();
                    if let Some(server) = self.servers[at].take() {
                        self.store.held.remove(&server.process);
                        self.store.leases.remove(&server.process);
                        let server = server_of(&server.process).into();
                        self.store.told.push(Control::LeaseEnded { server });
                    }
                }
            }
            Step::Kill(at) => self.servers[at] = None,
            Step::Cut(at) => {
                if let Some(server) = &mut self.servers[at] {
                    server.is_cut = true;
                }
            }
            Step::Heal(at) => {
                if let Some(server) = self.servers[at].as_mut().filter(|server| server.is_cut) {
                    server.is_cut = false;
                    server.up_since = self.store.now;
                    // What was announced is missed, and who is online is read.
                    server.heard = self.store.announced.len();
                    server.controlled = self.store.told.len();
                    server.told = self.store.online.clone();
                }
            }
            Step::NodeOpen(number) => {
                if self.node.as_mut().is_some_and(|users| users.insert(number)) {
                    self.store.online.insert(number.to_string());
                    self.store.announce(NODE, &number.to_string(), true);
                }
            }
            Step::NodeClose(number) => {
                if self.node.as_mut().is_some_and(|users| users.remove(&number)) {
                    self.store.online.remove(&number.to_string());
                    self.store.announce(NODE, &number.to_string(), false);
                }
            }
            Step::NodeEnds => self.node = None,
        }
        self.settle();
    }

    fn start(&mut self, at: usize) {
        self.started += 1;
        self.servers[at] = Some(Server {
            process: format!("server {at}:{}", self.started),
            presence: Presence::default(),
            journal: VecDeque::new(),
            told: self.store.online.clone(),
            heard: self.store.announced.len(),
            controlled: self.store.told.len(),
            sockets: Vec::new(),
            is_cut: false,
            up_since: self.store.now,
            next_beat: self.store.now + PAUSE,
        });
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
        let Some(server) = self.servers[at].as_mut().filter(|server| !server.is_cut) else {
            return;
        };
        let name = server_of(&server.process).to_owned();
        let beat = self.store.beat(&server.process, listeners);
        let due = server.presence.beat(&beat);
        for user in &due.restore {
            server.journal.push_back(server.presence.coming(user, false));
        }
        for process in &beat.dead {
            let users = self.store.held.get(process).into_iter().flatten();
            let users: Vec<_> =
                users.map(|user| (user.clone(), server.presence.is_elsewhere(user))).collect();
            for user in self.store.take_out(&name, Some(process), &users) {
                server.told.remove(&user);
            }
        }
        if due.alone {
            self.store.told.push(Control::OthersGone);
        }
        let ghosts = due.ghosts.into_iter();
        let ghosts: Vec<_> =
            ghosts.map(|user| (user.clone(), server.presence.is_elsewhere(&user))).collect();
        for user in self.store.take_out(&name, None, &ghosts) {
            server.told.remove(&user);
        }
    }

    /// Lets all writes be done and all announcements be heard that can be.
    fn settle(&mut self) {
        let mut busy = true;
        while busy {
            busy = false;
            for server in self.servers.iter_mut().flatten().filter(|server| !server.is_cut) {
                while let Some(change) = server.journal.pop_front() {
                    busy = true;
                    if self.store.count(&server.process, &change) {
                        server.tell(&change);
                    }
                }
                for control in &self.store.told[server.controlled..] {
                    match control {
                        Control::LeaseBegun { server: name } => server.presence.counts(name),
                        Control::LeaseEnded { server: name } => {
                            server.presence.counts_no_more(name)
                        }
                        _ => server.presence.others_are_gone(),
                    }
                }
                server.controlled = self.store.told.len();
                for (from, user, online) in &self.store.announced[server.heard..] {
                    if from != server_of(&server.process) {
                        busy = true;
                        server.hear(from, user, *online);
                    }
                }
                server.heard = self.store.announced.len();
            }
        }
        self.check();
    }

    fn is_open(&self, number: usize) -> bool {
        self.servers.iter().flatten().any(|server| server.sockets.contains(&number))
            || self.node.as_ref().is_some_and(|users| users.contains(&number))
    }

    /// What must hold at any time.
    fn check(&mut self) {
        let now = self.store.now;
        let reached = self.servers.iter().flatten().filter(|server| !server.is_cut);
        let long_up = reached.clone().any(|server| server.up_since + PROMISE <= now);
        let is_cut = self.servers.iter().flatten().any(|server| server.is_cut);
        for number in 0..USERS {
            let is_online = self.store.online.contains(&number.to_string());
            if self.is_open(number) {
                self.seen[number] = now;
            }
            // Whom others have taken out is put back with the next beat.
            let mut long_reached = reached.clone().filter(|server| server.up_since + PAUSE < now);
            let has_way = long_reached.any(|server| server.sockets.contains(&number));
            assert!(is_online || !has_way, "user {number} is offline with an open socket");
            if long_up && !is_cut && !self.has_node && self.seen[number] + PROMISE <= now {
                assert!(!is_online, "user {number} stays online without a socket");
            }
            // In those sequences nothing is cut, so that nothing is unheard.
            if self.has_node && self.node.is_some() {
                assert!(is_online || !self.is_open(number), "user {number} is offline on the peer");
            }
        }
    }
}

impl Server {
    fn close(&mut self, number: usize) {
        let user = number.to_string();
        if self.presence.left(&user) {
            self.journal.push_back(self.presence.leaving(&user));
        }
    }

    fn tell(&mut self, change: &Counted) {
        match change {
            Counted::Came { user, .. } => self.told.insert(user.clone()),
            Counted::Left { user, .. } => self.told.remove(user),
        };
    }

    fn hear(&mut self, from: &str, user: &str, online: bool) {
        if online {
            self.told.insert(user.into())
        } else {
            self.told.remove(user)
        };
        if let Some(user) = self.presence.heard(from, user, online) {
            self.journal.push_back(self.presence.coming(&user, false));
        }
    }
}

/// Runs a sequence to its end, and then until all is quiet.
fn run(steps: &[Step], has_node: bool) {
    let mut world = World { has_node, node: has_node.then(BTreeSet::new), ..World::default() };
    // Beats are not in step.
    for at in 0..SERVERS {
        world.step(&Step::Start(at));
        world.step(&Step::Wait(700));
    }
    steps.iter().for_each(|step| world.step(step));
    (0..SERVERS).for_each(|at| world.step(&Step::Heal(at)));
    if world.servers.iter().all(Option::is_none) {
        world.step(&Step::Start(0));
    }
    // What the peer left is found out later.
    world.step(&Step::Wait(if has_node { 3 * PROMISE } else { PROMISE }));

    let open = (0..USERS).filter(|number| world.is_open(*number));
    let open: BTreeSet<String> = open.map(|number| number.to_string()).collect();
    assert_eq!(world.store.online, open, "who is online");
    let living = world.servers.iter().flatten();
    let leases: BTreeSet<_> = living.clone().map(|server| server.process.clone()).collect();
    assert_eq!(world.store.leases.keys().cloned().collect::<BTreeSet<_>>(), leases, "leases");
    for server in living {
        assert_eq!(server.told, open, "what was told by {}", server.process);
        let here: BTreeSet<String> = server.sockets.iter().map(usize::to_string).collect();
        let held = world.store.held.get(&server.process).cloned().unwrap_or_default();
        assert_eq!(held, here, "what {} holds", server.process);
    }
    if !has_node {
        // Each coming and each leaving is announced once.
        let mut online = BTreeSet::new();
        for (server, user, comes) in &world.store.announced {
            let changes = if *comes { online.insert(user) } else { online.remove(user) };
            assert!(changes, "{server} announces again that {user} comes or leaves ({comes})");
        }
    }
}

fn check(cases: u32, step: impl Strategy<Value = Step>, has_node: bool) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let steps = prop::collection::vec(step, 1..40);
    // The same sequences each time, and others with PRESENCE_RANDOM set.
    let mut runner = if std::env::var_os("PRESENCE_RANDOM").is_some() {
        TestRunner::new(config)
    } else {
        TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
    };
    let checked = runner.run(&steps, |steps| {
        run(&steps, has_node);
        Ok(())
    });
    checked.unwrap();
}

fn tabs() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..SERVERS, 0..USERS).prop_map(|(at, user)| Step::Open(at, user)),
        (0..SERVERS, 0..10usize).prop_map(|(at, which)| Step::Close(at, which)),
    ]
}

#[test]
fn ten_thousand_sequences_of_kills_and_cuts() {
    let step = prop_oneof![
        6 => tabs(),
        3 => (1..8_000u64).prop_map(Step::Wait),
        1 => (0..SERVERS).prop_map(Step::Start),
        1 => (0..SERVERS).prop_map(Step::Stop),
        1 => (0..SERVERS).prop_map(Step::Kill),
        1 => (0..SERVERS).prop_map(Step::Cut),
        1 => (0..SERVERS).prop_map(Step::Heal),
    ];
    check(10_000, step, false);
}

#[test]
fn beside_a_server_that_does_not_count() {
    // What a server did not hear of such a peer it can't know: so the first one lives, and none begins.
    let step = prop_oneof![
        6 => tabs(),
        3 => (1..8_000u64).prop_map(Step::Wait),
        4 => (0..USERS).prop_map(Step::NodeOpen),
        3 => (0..USERS).prop_map(Step::NodeClose),
        1 => Just(Step::NodeEnds),
        1 => (1..SERVERS).prop_map(Step::Stop),
        1 => (1..SERVERS).prop_map(Step::Kill),
    ];
    check(3_000, step, true);
}

#[test]
fn the_first_comes_and_the_last_leaves() {
    let mut presence = Presence::default();
    assert!(!presence.left("1"));
    assert!(presence.came(&user(1)));
    assert!(!presence.came(&user(1)));
    assert!(!presence.left("1"));
    assert!(presence.left("1"));
    assert!(presence.here().is_empty());
}

/// Sequences that once ended wrong.
#[test]
fn known_sequences() {
    use Step::*;
    // A server whose lease had ended was taken for one that does not count.
    let steps = [Cut(1), Wait(8300), Open(1, 1), Heal(1), Open(2, 1), Close(1, 0), Close(2, 0)];
    run(&steps, false);
    // A server that was killed and started again no longer counted when its first lease had ended.
    let steps =
        [Wait(12_591), Kill(0), Start(0), Wait(7009), Open(0, 0), Open(2, 0), Kill(2), Stop(0)];
    run(&steps, false);
    // One server still believed in a peer that the others had forgotten.
    let steps =
        [Wait(113), NodeOpen(0), NodeEnds, Wait(11_249), Open(1, 0), Kill(2), Wait(7538), Stop(1)];
    run(&steps, true);
}
