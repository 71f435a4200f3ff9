//! Presence counted over processes, on a real Redis, against the plain oracle of who holds whom.

#![allow(missing_docs)]

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use redis::cmd;
use redis_chat_server::store::{
    Store,
    commit::{Commit, Counted, Outcome},
    redis::{
        RedisStore,
        leases::{Leases, TakeOut},
        link::Link,
    },
};
use support::{PATIENCE, RedisServer, client, on_loop, stores::outcome};

const LIFE: Duration = Duration::from_secs(30);

async fn store(server: &RedisServer, process: &str) -> Store {
    let link = async || Link::start(client(&server.endpoint(), &[]), PATIENCE).await.unwrap();
    Store::Redis(RedisStore::new(link().await, link().await, process))
}

fn leases(store: &Store) -> &Leases {
    store.leases().unwrap()
}

/// Commits the change of a user, and says whether it was news.
async fn count(store: &Store, change: Counted) -> bool {
    let commit = Commit {
        counted: Some(change),
        publish: vec![b"{\"news\":1}".to_vec()],
        ..Commit::default()
    };
    match outcome(store, commit).await {
        Outcome::Done { online_changed, .. } => online_changed.unwrap(),
        Outcome::Refused => panic!("refused"),
    }
}

fn came(user: &str, is_first: bool) -> Counted {
    Counted::Came {
        user: user.into(),
        farewell: format!("bye {user}").into_bytes(),
        is_first,
        corrects: false,
    }
}

fn left(user: &str) -> Counted {
    Counted::Left { user: user.into(), elsewhere: false }
}

fn take_out(user: &str) -> TakeOut {
    TakeOut { user: user.into(), envelope: b"{}".to_vec(), keep: false }
}

/// Makes the lease of a process end now.
fn expire(server: &RedisServer, process: &str) {
    let mut connection = client(&server.endpoint(), &[]).get_connection().unwrap();
    cmd("ZADD").arg("rs:leases").arg(1).arg(process).exec(&mut connection).unwrap();
}

async fn online(store: &Store) -> BTreeSet<String> {
    leases(store).online().await.unwrap().into_iter().collect()
}

#[test]
fn a_lease_is_renewed_and_ends() {
    let server = RedisServer::start(&[]);
    on_loop(async {
        let (a, b) = (store(&server, "a:4000:1").await, store(&server, "b:4000:2").await);
        let first = leases(&a).beat(LIFE, b"{}").await.unwrap();
        assert!(!first.held);
        assert_eq!(first.processes, ["a:4000:1"]);
        assert_eq!((first.dead.len(), first.listeners), (0, Some(0)));
        assert!(leases(&a).beat(LIFE, b"{}").await.unwrap().held);
        leases(&b).beat(LIFE, b"{}").await.unwrap();
        expire(&server, "a:4000:1");
        for seen in [leases(&b).beat(LIFE, b"{}").await, leases(&b).look().await] {
            let seen = seen.unwrap();
            assert_eq!((seen.processes.len(), &*seen.dead), (2, &["a:4000:1".to_owned()][..]));
        }
        // It lives after all.
        assert!(!leases(&a).beat(LIFE, b"{}").await.unwrap().held);
        assert_eq!(leases(&b).look().await.unwrap().dead.len(), 0);
        leases(&b).end(b"{}").await.unwrap();
        assert_eq!(leases(&a).look().await.unwrap().processes, ["a:4000:1"]);
    });
}

#[test]
fn users_of_a_dead_process_are_taken_out_once() {
    let server = RedisServer::start(&[]);
    on_loop(async {
        let (a, b) = (store(&server, "a:1").await, store(&server, "b:2").await);
        for store in [&a, &b] {
            leases(store).beat(LIFE, b"{}").await.unwrap();
        }
        for user in ["1", "2", "3"] {
            assert!(count(&a, came(user, true)).await);
        }
        assert!(!count(&b, came("2", true)).await, "a second server is no news");
        let due = ["1", "2", "3", "4"].map(take_out);
        let none: [String; 0] = [];
        assert_eq!(leases(&b).take_out(Some("a:1"), &due, b"{}").await.unwrap(), none, "it lives");
        expire(&server, "a:1");
        let mut users = leases(&b).users_of("a:1").await.unwrap();
        users.sort();
        assert_eq!(users[0], ("1".to_owned(), b"bye 1".to_vec()));
        assert_eq!(users.len(), 3);
        let mut due = due;
        due[2].keep = true;
        assert_eq!(leases(&b).take_out(Some("a:1"), &due, b"{}").await.unwrap(), ["1"]);
        assert_eq!(leases(&b).take_out(Some("a:1"), &due, b"{}").await.unwrap(), none);
        assert_eq!(online(&b).await, ["2", "3"].map(String::from).into());
        assert_eq!(leases(&b).look().await.unwrap().processes, ["b:2"], "its lease is gone");
        // What it does afterwards makes it known again, as one whose lease has ended.
        assert!(count(&a, came("1", false)).await);
        assert_eq!(leases(&b).look().await.unwrap().dead, ["a:1"]);
        assert!(!leases(&a).beat(LIFE, b"{}").await.unwrap().held);
    });
}

#[test]
fn a_ghost_that_comes_is_news_and_one_that_is_elsewhere_stays() {
    let server = RedisServer::start(&[]);
    on_loop(async {
        let a = store(&server, "a:1").await;
        leases(&a).beat(LIFE, b"{}").await.unwrap();
        outcome(&a, Commit { online: vec!["1".into(), "2".into()], ..Commit::default() }).await;
        assert!(count(&a, came("1", true)).await);
        assert!(!count(&a, came("2", false)).await);
        assert!(!count(&a, Counted::Left { user: "1".into(), elsewhere: true }).await);
        assert!(count(&a, left("2")).await);
        assert!(!count(&a, left("2")).await);
        assert_eq!(online(&a).await, ["1".to_owned()].into());
        assert_eq!(leases(&a).take_out(None, &[take_out("1")], b"").await.unwrap(), ["1"]);
    });
}

#[derive(Debug, Clone)]
enum Step {
    Came(usize, usize),
    Left(usize, usize),
    Dies(usize),
}

#[test]
fn the_set_is_what_the_leases_hold() {
    const PROCESSES: [&str; 3] = ["a:1", "b:2", "c:3"];
    let server = RedisServer::start(&[]);
    let step = prop_oneof![
        5 => (0..3usize, 0..3usize).prop_map(|(process, user)| Step::Came(process, user)),
        4 => (0..3usize, 0..3usize).prop_map(|(process, user)| Step::Left(process, user)),
        // The last one sees to what the others leave.
        1 => (0..2usize).prop_map(Step::Dies),
    ];
    let config = Config { cases: 60, failure_persistence: None, ..Config::default() };
    let checked = TestRunner::new(config).run(&prop::collection::vec(step, 1..40), |steps| {
        on_loop(async {
            let mut connection = client(&server.endpoint(), &[]).get_connection().unwrap();
            cmd("FLUSHALL").exec(&mut connection).unwrap();
            let mut stores = Vec::new();
            for process in PROCESSES {
                let store = store(&server, process).await;
                leases(&store).beat(LIFE, b"{}").await.unwrap();
                stores.push(store);
            }
            let mut held: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
            let held_by_any = |held: &BTreeMap<usize, BTreeSet<usize>>| -> BTreeSet<String> {
                held.values().flatten().map(usize::to_string).collect()
            };
            for step in &steps {
                let before = held_by_any(&held);
                let news = match *step {
                    Step::Came(process, user) => {
                        let is_first = held.entry(process).or_default().insert(user);
                        Some(count(&stores[process], came(&user.to_string(), is_first)).await)
                    }
                    Step::Left(process, user) => {
                        held.entry(process).or_default().remove(&user);
                        Some(count(&stores[process], left(&user.to_string())).await)
                    }
                    Step::Dies(process) => {
                        expire(&server, PROCESSES[process]);
                        let users = leases(&stores[2]).users_of(PROCESSES[process]).await.unwrap();
                        let due: Vec<_> = users.iter().map(|(user, _)| take_out(user)).collect();
                        let dead = Some(PROCESSES[process]);
                        let out = leases(&stores[2]).take_out(dead, &due, b"{}").await.unwrap();
                        held.remove(&process);
                        leases(&stores[process]).beat(LIFE, b"{}").await.unwrap();
                        let gone: BTreeSet<_> =
                            before.difference(&held_by_any(&held)).cloned().collect();
                        assert_eq!(out.into_iter().collect::<BTreeSet<_>>(), gone);
                        None
                    }
                };
                let after = held_by_any(&held);
                assert_eq!(online(&stores[0]).await, after, "{step:?}");
                if let Some(news) = news {
                    assert_eq!(news, before != after, "{step:?}");
                }
            }
        });
        Ok(())
    });
    checked.unwrap();
}
