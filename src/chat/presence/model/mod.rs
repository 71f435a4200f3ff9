//! Presence over several servers, with a simulated store and clock, against the plain oracle of open
//! sockets: random tabs, starts, stops, kills and cuts.

mod server;
mod store;
mod world;

use std::collections::BTreeSet;

use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use self::{
    store::Said,
    world::{Step, World, user},
};
use super::Presence;
use crate::store::redis::leases::Beat;

/// Within which the users of a killed server are offline.
const PROMISE: u64 = 15_000;
const USERS: usize = 4;
const SERVERS: usize = 3;

/// Runs a sequence to its end, and then until all is quiet.
fn run(steps: &[Step], has_node: bool) -> World {
    let mut world = World::new(has_node);
    // Beats are not in step.
    for at in 0..SERVERS {
        world.step(&Step::Start(at));
        world.step(&Step::Wait(700));
    }
    steps.iter().for_each(|step| world.step(step));
    world.step(&Step::Back);
    (0..USERS).for_each(|_| world.step(&Step::NodeSays));
    for at in 0..SERVERS {
        world.step(&Step::Heal(at));
        world.step(&Step::Deaf(at, 0));
        world.step(&Step::Listens(at));
        world.step(&Step::Hears(at));
    }
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
        for said in &world.store.said {
            let Said::User(server, user, comes) = said else { continue };
            let changes = if *comes { online.insert(user) } else { online.remove(user) };
            assert!(changes, "{server} announces again that {user} comes or leaves ({comes})");
        }
    }
    world
}

fn check(cases: u32, step: impl Strategy<Value = Step>, has_node: bool) {
    // The same sequences each time, and with PRESENCE_RANDOM so many others.
    let random = std::env::var("PRESENCE_RANDOM").ok().map(|count| count.parse().unwrap());
    let cases = random.unwrap_or(cases);
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let steps = prop::collection::vec(step, 1..40);
    let mut runner = if random.is_some() {
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
fn whom_two_servers_have_left_behind_is_taken_out_once() {
    let mut presence = Presence::default();
    for server in ["a", "b"] {
        presence.heard(server, "1", true);
    }
    // Both are servers of ours from now on.
    let processes = ["a:1", "b:1"].map(str::to_owned).to_vec();
    let beat = Beat { held: true, processes, ..Beat::default() };
    let ghosts: Vec<String> =
        (0..20).flat_map(|_| presence.beat(&beat, true, false).ghosts).collect();
    assert_eq!(ghosts, ["1"]);
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
        1 => (0..SERVERS, 0..3usize).prop_map(|(at, more)| Step::Deaf(at, more)),
        1 => (0..SERVERS).prop_map(Step::Listens),
        1 => (0..SERVERS).prop_map(Step::Looks),
        2 => (0..SERVERS).prop_map(Step::Hears),
        2 => (0..SERVERS, 0..10usize).prop_map(|(at, which)| Step::Say(at, which)),
        1 => Just(Step::Away),
        2 => Just(Step::Back),
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
        4 => Just(Step::NodeSays),
        2 => (0..SERVERS, 0..10usize).prop_map(|(at, which)| Step::Say(at, which)),
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

#[test]
fn who_is_taken_out_by_a_server_that_does_not_count_is_announced_once() {
    use Step::*;
    let announced = |steps: &[Step]| -> String {
        let world = run(steps, true);
        let signs = world.store.said.iter().filter_map(|said| match said {
            Said::User(_, _, comes) => Some(if *comes { '+' } else { '-' }),
            Said::Control(_) => None,
        });
        signs.collect()
    };
    let there = [Open(0, 0), Open(1, 0), NodeOpen(0), NodeClose(0), NodeSays];
    assert_eq!(announced(&there), "++-+");
    // They come in between.
    let one = [NodeOpen(0), NodeClose(0), Open(0, 0), NodeSays, Wait(20_000)];
    assert_eq!(announced(&one), "++-+");
    let two = [NodeOpen(0), NodeClose(0), Open(0, 0), Open(1, 0), NodeSays, Close(0, 0)];
    assert_eq!(announced(&two), "++-+");
    let gone = [NodeOpen(0), NodeClose(0), Open(0, 0), Close(0, 0), NodeSays, Open(1, 0)];
    assert_eq!(announced(&gone), "++-+");
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
    // Redis was away for longer than a lease: who was back first cleared the others away.
    let steps = [Open(0, 0), Open(1, 1), Wait(5000), Away, Wait(11_000), Back];
    run(&steps, false);
    // Its lease had not ended, but that of another one had.
    let steps = [Open(0, 0), Open(2, 1), Wait(2400), Away, Wait(8000), Back];
    run(&steps, false);
    // One left and came elsewhere when Redis was back: the announcement of the first was heard last.
    run(&[Open(1, 2), Open(2, 0), Away, Close(1, 0), Open(2, 2)], false);
    // One did not hear itself announce again whom another had taken out, and did it once more with its next beat.
    let steps = [Open(0, 2), Cut(0), Wait(7600), Heal(0), Open(1, 2), Deaf(0, 1), Stop(1)];
    run(&steps, false);
    // It began unheard, and was taken for a server that does not count.
    let steps =
        [Stop(0), Stop(2), Cut(1), Start(0), Heal(1), Open(0, 0), Open(1, 0), Stop(0), Stop(1)];
    run(&steps, false);
    // A message put back silently whom another server had taken out.
    let steps = [Open(2, 0), Cut(2), Say(2, 0), Wait(9900), Close(2, 0)];
    run(&steps, false);
    // It lost its subscription again before it had taken in what it heard.
    let steps = [
        Cut(0),
        Deaf(1, 1),
        Wait(7600),
        Heal(0),
        Kill(2),
        Open(0, 0),
        Listens(1),
        Stop(0),
        Deaf(1, 0),
        Open(1, 0),
    ];
    run(&steps, false);
    // It began while nothing was heard, and ended before it was known to count.
    let steps = [
        Stop(1),
        Deaf(0, 0),
        Start(1),
        Listens(0),
        Open(1, 0),
        Open(2, 0),
        Stop(1),
        Hears(0),
        Open(0, 0),
        Close(2, 0),
        Close(0, 0),
    ];
    run(&steps, false);
    // What waited to be heard was by a server that had ended meanwhile.
    let steps = [
        Deaf(0, 0),
        Open(0, 0),
        Listens(0),
        Open(2, 2),
        Kill(2),
        Wait(5598),
        Open(0, 2),
        Wait(7302),
        Hears(0),
        Stop(0),
    ];
    run(&steps, false);
    // One server still believed in a peer that the others had forgotten.
    let steps =
        [Wait(113), NodeOpen(0), NodeEnds, Wait(11_249), Open(1, 0), Kill(2), Wait(7538), Stop(1)];
    run(&steps, true);
}
