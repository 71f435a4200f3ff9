//! What only the store in a file has: the file itself, what it survives, and what is refused.

mod refusals;
#[path = "../support/mod.rs"]
mod support;
mod survival;

use std::{
    cell::RefCell,
    env, fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    rc::Rc,
    time::Duration,
};

use redis_chat_server::store::{
    Registration, Store, StoreError,
    commit::{Commit, Outcome},
    embedded::{
        EmbeddedStore, Sync,
        file::{Counts, DataFile},
    },
    record::Record,
};
use rusqlite::Connection;
use support::{
    Folder, on_loop,
    stores::{message, outcome},
};

/// Says to this program that it is to play a part, and with which file.
const PART: &str = "CHAT_TEST_PART";

fn file(folder: &Folder) -> PathBuf {
    folder.path().join("chat.db")
}

fn open(path: &Path) -> EmbeddedStore {
    EmbeddedStore::open(path, Sync::Normal).unwrap()
}

fn records(path: &Path) -> Vec<Record> {
    let mut records = Vec::new();
    let mut file = DataFile::open_existing(path, Sync::Normal).unwrap();
    let keep = |record| {
        records.push(record);
        Ok::<(), String>(())
    };
    file.read(keep).unwrap();
    records
}

/// The members of all messages, as numbers.
fn numbers(path: &Path) -> Vec<u64> {
    let number = |record| match record {
        Record::Message { member, .. } => Some(String::from_utf8(member).unwrap().parse().unwrap()),
        _ => None,
    };
    records(path).into_iter().filter_map(number).collect()
}

fn is_sound(path: &Path) {
    let connection = Connection::open(path).unwrap();
    let report: String =
        connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(report, "ok");
}

/// This program again, in another part.
fn play(part: &str, path: &Path) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "a_part_in_another_test", "--nocapture"]);
    command.env(PART, part).env("CHAT_TEST_FILE", path);
    command
}

/// Does nothing unless another test started this program for it.
#[test]
fn a_part_in_another_test() {
    let Ok(part) = env::var(PART) else { return };
    let path = PathBuf::from(env::var("CHAT_TEST_FILE").unwrap());
    match part.as_str() {
        "open" => match DataFile::open(&path, Sync::Full) {
            Ok(_) => println!("\nopened"),
            Err(why) => println!("\n{why}"),
        },
        "full" => on_loop(survival::fill_and_go_on(&path)),
        first => survival::commit_for_ever(&path, first.parse().unwrap()),
    }
}

#[test]
fn all_but_presence_survives() {
    let folder = Folder::new();
    let path = folder.path().join("a folder/of its own/chat.db");
    let secret = on_loop(async {
        let embedded = open(&path);
        let secret = embedded.session_secret().to_owned();
        let store = Store::Embedded(embedded.clone());
        assert_eq!(store.create_user("zoe", "h").await.unwrap(), Registration::Created(1));
        store.session_create("s", "{}", 1_000).await.unwrap();
        let online = vec!["1".into()];
        outcome(&store, Commit { online, ..message("r", "inf", b"m") }).await;
        assert_eq!(store.online_users().await.unwrap().len(), 1);
        embedded.close().await;
        secret
    });
    assert!(secret.len() >= 40);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let found: Vec<_> = fs::read_dir(path.parent().unwrap()).unwrap().collect();
    assert_eq!(found.len(), 2, "the file and its lock: {found:?}");
    on_loop(async {
        let embedded = open(&path);
        assert_eq!(embedded.session_secret(), secret);
        let store = Store::Embedded(embedded);
        assert_eq!(store.online_users().await.unwrap(), []);
        assert_eq!(store.create_user("zoe", "h").await.unwrap(), Registration::Taken);
        assert_eq!(store.session_peek("s").await.unwrap(), Some(b"{}".to_vec()));
        assert_eq!(store.history("r", 0, 9).await.unwrap(), Some(vec![b"m".to_vec()]));
    });
    let other = DataFile::open(&file(&folder), Sync::Full).unwrap();
    assert_ne!(other.session_secret(), secret);
}

#[test]
fn closing_and_dropping() {
    let folder = Folder::new();
    on_loop(async {
        let embedded = open(&file(&folder));
        let store = Store::Embedded(embedded.clone());
        let outcomes = Rc::new(RefCell::new(Vec::new()));
        let push = |text: &str| {
            let outcomes = outcomes.clone();
            let then = move |outcome| outcomes.borrow_mut().push(outcome);
            store.commit(message("r", "1", text.as_bytes()), Box::new(then));
        };
        for n in 0..100 {
            push(&n.to_string());
        }
        embedded.close().await;
        embedded.close().await;
        assert_eq!(outcomes.borrow().len(), 100, "what was handed over before is done");
        assert!(outcomes.take().iter().all(|outcome| *outcome != Outcome::Refused));
        push("late");
        push("later");
        store.until_settled().await;
        assert_eq!(outcomes.take(), [Outcome::Refused; 2]);
        assert!(matches!(store.room_exists("r").await, Err(StoreError::Unavailable(_))));
        assert!(matches!(store.create_user("a", "h").await, Err(StoreError::Unavailable(_))));

        // Whoever only drops it has written all, and may open it at once.
        let store = Store::Embedded(open(&file(&folder)));
        for n in 100..2_000 {
            let text = n.to_string();
            store.commit(message("r", "1", text.as_bytes()), Box::new(|_| {}));
        }
        drop(store);
        assert_eq!(numbers(&file(&folder)).len(), 2_000);
    });
}

#[test]
fn twenty_thousand_commits_at_once() {
    const COMMITS: u64 = 20_000;
    let folder = Folder::new();
    on_loop(async {
        let store = Store::Embedded(EmbeddedStore::open(&file(&folder), Sync::Full).unwrap());
        let settled = Rc::new(RefCell::new(Vec::new()));
        for n in 0..COMMITS {
            let (text, settled) = (n.to_string(), settled.clone());
            let then = move |outcome| settled.borrow_mut().push((n, outcome));
            store.commit(message("r", &text, text.as_bytes()), Box::new(then));
        }
        store.until_settled().await;
        let done = |n| (n, Outcome::Done { room_was_new: n == 0, online_changed: None });
        assert_eq!(*settled.borrow(), (0..COMMITS).map(done).collect::<Vec<_>>());
    });
    assert_eq!(numbers(&file(&folder)), (0..COMMITS).collect::<Vec<_>>());
}

#[test]
fn records_go_in_and_come_out() {
    let folder = Folder::new();
    let path = file(&folder);
    assert!(
        matches!(DataFile::open_existing(&path, Sync::Full), Err(why) if why.contains("no data file at"))
    );
    assert!(!path.exists() && !folder.path().join("chat.db.lock").exists());
    let text = |text: &str| text.to_owned();
    let message = |room: &str, score, member: &[u8]| Record::Message {
        room: text(room),
        score,
        member: member.into(),
    };
    let life = Duration::from_secs(100);
    // In the order in which they come out.
    let all = [
        Record::LastUserId(7),
        Record::Name { name: text("a"), id: text("7") },
        Record::User { id: text("7"), username: Some(text("a")), password: None },
        Record::UserRoom { user: text("7"), room: text("z") },
        Record::UserRoom { user: text("7"), room: text("0") },
        Record::RoomName { room: text("0"), name: text("General") },
        message("z", f64::NEG_INFINITY, b"b"),
        message("z", 1.5, b"a"),
        message("z", 1.5, b"a\0"),
        message("z", f64::INFINITY, b"\xff"),
        Record::Session { sid: text("s"), document: b"\xfe".to_vec(), life },
    ];
    let mut data = DataFile::open(&path, Sync::Full).unwrap();
    let secret = data.session_secret().to_owned();
    assert!(data.is_empty().unwrap());
    for _ in 0..2 {
        data.write(&all).unwrap();
    }
    assert!(!data.is_empty().unwrap());
    let counts = Counts { users: 1, rooms: 2, messages: 4, sessions: 1 };
    assert_eq!(data.count().unwrap(), counts);
    drop(data);

    let found = records(&path);
    assert_eq!(found[..10], all[..10]);
    match &found[10..] {
        [Record::Session { life: left, .. }] => assert!(*left <= life && *left > life / 2),
        other => panic!("{other:?}"),
    }
    // A reader that has enough.
    let mut data = DataFile::open_existing(&path, Sync::Full).unwrap();
    let mut seen = 0;
    let stopped = data.read(|_| {
        seen += 1;
        if seen == 3 { Err(text("enough")) } else { Ok(()) }
    });
    assert_eq!((stopped, seen), (Err(text("enough")), 3));
    // New content that is given up changes nothing.
    data.replace().unwrap().write(&[message("z", 2.0, b"y")]).unwrap();
    assert_eq!(data.count().unwrap(), counts);
    data.replace().unwrap().commit().unwrap();
    assert!(data.is_empty().unwrap());
    assert_eq!(data.count().unwrap(), Counts::default());
    assert_eq!(data.session_secret(), secret);
    data.write(&[message("z", 1.0, b"x")]).unwrap();
    drop(data);
    assert_eq!(records(&path), [message("z", 1.0, b"x")]);
    is_sound(&path);
}
