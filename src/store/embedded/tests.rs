//! What can't be seen from outside: plans of queries, groups of writes, a full file, dying verbs.

use std::{
    cell::RefCell,
    env, fs,
    path::PathBuf,
    rc::Rc,
    sync::mpsc,
    time::{Duration, Instant},
};

use rusqlite::Connection;
use tokio::{runtime, sync::mpsc::unbounded_channel, sync::watch, task::LocalSet};

use super::{
    EmbeddedStore, Sync,
    file::DataFile,
    messages,
    writer::{Job, Writer},
};
use crate::{
    store::{
        Registration, StoreError,
        commit::{Commit, Outcome, StoredMessage},
        record::Record,
    },
    tally::Tally,
};

/// A folder that goes away with its owner.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = env::temp_dir().join(format!("chat-unit-{:016x}", rand::random::<u64>()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("chat.db")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn with_store(test: impl AsyncFnOnce(&Folder, EmbeddedStore)) {
    let folder = Folder::new();
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let store = EmbeddedStore::open(&folder.file(), Sync::Normal).unwrap();
        let test = test(&folder, store);
        tokio::time::timeout(Duration::from_secs(60), test).await.expect("the test takes too long");
    });
}

fn message(n: u32, size: usize) -> StoredMessage {
    let member = format!("{n:0size$}").into_bytes();
    StoredMessage { room: "r".into(), score: n.to_string(), member }
}

/// Commits messages, and returns the outcomes when all are there.
async fn commit(store: &EmbeddedStore, messages: impl Iterator<Item = StoredMessage>) -> Vec<bool> {
    let outcomes = Rc::new(RefCell::new(Vec::new()));
    for message in messages {
        let outcomes = outcomes.clone();
        let commit = Commit { message: Some(message), ..Commit::default() };
        let then = move |outcome| outcomes.borrow_mut().push(outcome != Outcome::Refused);
        store.commit(commit, Box::new(then));
    }
    store.until_settled().await;
    outcomes.take()
}

async fn pragma(store: &EmbeddedStore, name: &'static str, value: i64) {
    let set = store.write(move |tables| {
        tables.connection.pragma_update_and_check(None, name, value, |_| Ok(()))
    });
    set.await.unwrap();
}

fn is_sound(connection: &Connection) {
    let report: String =
        connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(report, "ok");
    // Both tables of messages hold the same ones.
    let apart = "SELECT (SELECT count(*) FROM messages) - (SELECT count(*) FROM member_scores)";
    let apart: i64 = connection.query_row(apart, [], |row| row.get(0)).unwrap();
    assert_eq!(apart, 0);
}

#[test]
fn a_page_of_history_is_read_in_the_order_of_the_table() {
    let folder = Folder::new();
    let file = DataFile::open(&folder.file(), Sync::Normal).unwrap();
    let explain = format!("EXPLAIN QUERY PLAN {}", messages::NEWEST);
    let mut plan = file.tables.connection.prepare(&explain).unwrap();
    let steps = plan.query_map([1, 20, 0], |row| row.get("detail")).unwrap();
    let steps: Vec<String> = steps.collect::<Result<_, _>>().unwrap();
    assert_eq!(steps, ["SEARCH messages USING PRIMARY KEY (room=?)"]);
}

#[test]
fn what_waits_is_one_transaction() {
    const COMMITS: u32 = 20_000;
    let folder = Folder::new();
    let file = DataFile::open(&folder.file(), Sync::Full).unwrap();
    let (jobs, work) = mpsc::channel();
    let (outcomes, mut settled) = unbounded_channel();
    let refused = Tally::default();
    let writer = Writer { file, jobs: work, outcomes, readers: Vec::new(), refused };
    for n in 0..COMMITS {
        assert!(jobs.send(Job::Commit(Some(message(n, 100)))).is_ok());
    }
    drop(jobs);
    writer.run(watch::channel(()).0);
    let (mut groups, mut done) = (0, 0);
    while let Ok(group) = settled.try_recv() {
        groups += 1;
        done += group.len() as u32;
    }
    assert_eq!(done, COMMITS);
    assert_eq!(groups, COMMITS.div_ceil(512));
    let file = DataFile::open_existing(&folder.file(), Sync::Full).unwrap();
    assert_eq!(file.count().unwrap().messages, u64::from(COMMITS));
    is_sound(&file.tables.connection);
}

#[test]
fn a_full_file_refuses_and_recovers() {
    with_store(async |folder, store| {
        assert!(commit(&store, (0..100).map(|n| message(n, 500))).await.iter().all(|done| *done));
        store.session_create("s", "{}", 1_000).await.unwrap();
        // As many pages as there are now, or none more than a few.
        pragma(&store, "max_page_count", 60).await;
        let outcomes = commit(&store, (100..3_000).map(|n| message(n, 500))).await;
        let stored = outcomes.iter().filter(|done| **done).count();
        assert_eq!(outcomes.len(), 2_900);
        assert!(stored < 300, "{stored}");
        let why = store.create_user("zoe", &"h".repeat(10_000)).await.unwrap_err();
        assert!(
            matches!(&why, StoreError::Refused(why) if why.contains("the disk is full")),
            "{why}"
        );
        // What is there can be read, and what needs no space can be written.
        let found = store.history("r", 0, -1).await.unwrap().unwrap();
        assert_eq!(found.len(), 100 + stored);
        assert!(store.session_peek("s").await.unwrap().is_some());
        store.session_delete("s").await.unwrap();

        pragma(&store, "max_page_count", 1_000_000).await;
        let outcomes = commit(&store, (3_000..3_100).map(|n| message(n, 500))).await;
        assert!(outcomes.iter().all(|done| *done));
        assert_eq!(store.create_user("zoe", "h").await.unwrap(), Registration::Created(1));
        store.close().await;
        let file = DataFile::open_existing(&folder.file(), Sync::Normal).unwrap();
        assert_eq!(file.count().unwrap().messages, 200 + stored as u64);
        is_sound(&file.tables.connection);
    });
}

#[test]
fn one_bad_write_fails_alone() {
    with_store(async |_, store| {
        let bad_score = StoredMessage { score: "nan".into(), ..message(0, 10) };
        let dying = store.write_later(|_| -> rusqlite::Result<()> { panic!("as the test wants") });
        let wrong = store.write_later(|tables| tables.connection.execute("INSERT INTO none", []));
        let created = store.write_later(|tables| {
            super::rooms::enter(tables, "1", "0")?;
            Ok(7)
        });
        let messages = [message(1, 10), bad_score, message(2, 10)];
        assert_eq!(commit(&store, messages.into_iter()).await, [true, false, true]);
        assert!(matches!(dying.await.unwrap(), Err(StoreError::Refused(_))));
        assert!(matches!(wrong.await.unwrap(), Err(StoreError::Refused(_))));
        assert_eq!(created.await.unwrap().unwrap(), 7);
        assert_eq!(store.history("r", 0, -1).await.unwrap().unwrap().len(), 2);

        for _ in 0..5 {
            let dying = store.read(|_| -> rusqlite::Result<()> { panic!("as the test wants") });
            assert!(matches!(dying.await, Err(StoreError::Unavailable(_))));
        }
        assert!(store.room_exists("r").await.unwrap(), "the readers go on");
    });
}

#[test]
fn the_log_stays_short_while_there_are_always_readers() {
    with_store(async |folder, store| {
        commit(&store, (0..2_000).map(|n| message(n, 1_000))).await;
        let stop = Rc::new(std::cell::Cell::new(false));
        // Both readers are always in the middle of something.
        for _ in 0..4 {
            let (store, stop) = (store.clone(), stop.clone());
            tokio::task::spawn_local(async move {
                while !stop.get() {
                    store.history("r", 0, 1_500).await.unwrap();
                }
            });
        }
        let log = folder.0.join("chat.db-wal");
        let (mut longest, started) = (0, Instant::now());
        let mut next = 2_000;
        while started.elapsed() < Duration::from_secs(2) {
            commit(&store, (next..next + 500).map(|n| message(n, 4_000))).await;
            next += 500;
            longest = longest.max(fs::metadata(&log).unwrap().len());
        }
        stop.set(true);
        println!("{next} messages, longest log {longest}");
        assert!(longest < 200 << 20, "{longest}");
        store.close().await;
        assert!(!log.exists(), "closing leaves the file alone");
    });
}

#[test]
fn ended_sessions_are_swept() {
    let folder = Folder::new();
    let mut file = DataFile::open(&folder.file(), Sync::Normal).unwrap();
    let session = |n: u32, millis| {
        let life = Duration::from_millis(millis);
        Record::Session { sid: n.to_string(), document: b"{}".to_vec(), life }
    };
    let sessions: Vec<Record> =
        (0..1_700).map(|n| session(n, if n < 1_600 { 1 } else { 1_000_000 })).collect();
    file.write(&sessions).unwrap();
    std::thread::sleep(Duration::from_millis(5));
    assert_eq!(file.count().unwrap().sessions, 100);
    drop(file);
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let store = EmbeddedStore::open(&folder.file(), Sync::Normal).unwrap();
        // The first sweep begins with the writer, in batches.
        let rows = async || {
            let all = "SELECT count(*) FROM sessions";
            store.read(|connection| connection.query_row(all, [], |row| row.get::<_, i64>(0))).await
        };
        let started = Instant::now();
        while rows().await.unwrap() != 100 {
            assert!(started.elapsed() < Duration::from_secs(20));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(store.session_peek("1650").await.unwrap().is_some());
    });
}
