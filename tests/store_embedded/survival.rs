//! What a kill and a disk that takes no more leave behind.

use std::{
    cell::RefCell,
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    rc::Rc,
    time::{Duration, Instant},
};

use redis_chat_server::store::{
    Registration, Store,
    commit::Outcome,
    embedded::{EmbeddedStore, Sync},
};

use crate::{
    file, is_sound, numbers, open, play,
    support::{
        Folder, on_loop,
        stores::{message, outcome},
    },
};

/// Commits numbers from `first` on and says which were answered, until it is killed.
pub fn commit_for_ever(path: &Path, first: u64) {
    fn next(store: &Store, n: u64) {
        let (text, again) = (n.to_string(), store.clone());
        let then = move |outcome| {
            assert_ne!(outcome, Outcome::Refused);
            println!("\nanswered {n}");
            next(&again, n + 40);
        };
        store.commit(message("r", &text, text.as_bytes()), Box::new(then));
    }
    on_loop(async {
        let store = Store::Embedded(EmbeddedStore::open(path, Sync::Full).unwrap());
        (first..first + 40).for_each(|n| next(&store, n));
        std::future::pending::<()>().await;
    });
}

#[test]
fn a_log_that_was_left_behind_is_used() {
    let (folder, copy) = (Folder::new(), Folder::new());
    on_loop(async {
        let store = Store::Embedded(open(&file(&folder)));
        for n in 0..50 {
            let text = n.to_string();
            outcome(&store, message("r", &text, text.as_bytes())).await;
        }
        // As a killed server leaves them.
        for name in ["chat.db", "chat.db-wal"] {
            fs::copy(folder.path().join(name), copy.path().join(name)).unwrap();
        }
        assert_eq!(numbers(&file(&copy)), (0..50).collect::<Vec<_>>());
    });
}

#[test]
fn what_was_answered_survives_a_kill() {
    let folder = Folder::new();
    let path = file(&folder);
    let mut first = 0;
    for round in 0..10 {
        let mut command = play(&first.to_string(), &path);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut child = Killed(child);
        let lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
        let (mut answered, mut end) = (Vec::new(), None);
        for line in lines {
            // The last line may be cut.
            let Ok(line) = line else { break };
            let number = line.strip_prefix("answered ").and_then(|text| text.parse::<u64>().ok());
            answered.extend(number);
            if answered.len() == 1 && end.is_none() {
                let wait = Duration::from_millis(rand::random_range(0..120));
                end = Some(Instant::now() + wait);
            }
            if end.is_some_and(|end| Instant::now() >= end) {
                let _ = child.0.kill();
                end = Some(Instant::now() + Duration::from_secs(60));
            }
        }
        // A number that the kill cut short is a smaller one, which was answered long before.
        let found = numbers(&path);
        let last = found.len() as u64;
        assert!(!answered.is_empty(), "round {round}");
        let expected: Vec<u64> = (0..last).collect();
        assert_eq!(found, expected, "nothing is missing in between");
        let missing: Vec<&u64> = answered.iter().filter(|n| **n >= last).collect();
        assert!(missing.is_empty(), "round {round}: {missing:?}");
        is_sound(&path);
        first = last;
    }
    assert!(first > 100, "{first}");
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs with the signal for too large files ignored, so that writing beyond the limit is an error.
pub async fn fill_and_go_on(path: &Path) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = |current| {
        let maximum = getrlimit(Resource::Fsize).maximum;
        setrlimit(Resource::Fsize, Rlimit { current, maximum }).unwrap();
    };
    let embedded = EmbeddedStore::open(path, Sync::Full).unwrap();
    let store = Store::Embedded(embedded.clone());
    let write = async |numbers: std::ops::Range<u64>| {
        let refused = Rc::new(RefCell::new(0));
        for n in numbers {
            let (text, refused) = (n.to_string(), refused.clone());
            let then = move |outcome| {
                *refused.borrow_mut() += u32::from(outcome == Outcome::Refused);
            };
            store.commit(message("r", &text, text.as_bytes()), Box::new(then));
            // In many transactions, so that some fit.
            if n % 10 == 0 {
                store.until_settled().await;
            }
        }
        store.until_settled().await;
        refused.take()
    };
    assert_eq!(write(0..1_000).await, 0);
    limit(Some(fs::metadata(path.with_extension("db-wal")).unwrap().len() + 50_000));
    let refused = write(1_000..2_000).await;
    assert!(refused > 100 && refused < 1_000, "{refused}");
    let why = store.create_user("zoe", "h").await.unwrap_err().to_string();
    assert!(why.contains("the disk can't be read or written"), "{why}");
    assert_eq!(store.history("r", 0, -1).await.unwrap().unwrap().len(), 2_000 - refused as usize);
    limit(None);
    assert_eq!(write(2_000..3_000).await, 0);
    assert_eq!(store.create_user("zoe", "h").await.unwrap(), Registration::Created(1));
    embedded.close().await;
    println!("\nstored {}", 3_000 - refused);
}

#[test]
fn a_disk_that_takes_no_more_loses_nothing() {
    let folder = Folder::new();
    let path = file(&folder);
    let part = play("full", &path);
    let mut command = Command::new("sh");
    command.args(["-c", r#"trap "" XFSZ; exec "$@""#, "sh"]);
    command.arg(part.get_program()).args(part.get_args());
    let envs = part.get_envs().filter_map(|(name, value)| Some((name, value?)));
    let output = command.envs(envs).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    let stored = text.lines().find_map(|line| line.strip_prefix("stored ")).unwrap();
    let found = numbers(&path);
    assert_eq!(found.len().to_string(), stored);
    assert!(found.ends_with(&(2_000..3_000).collect::<Vec<_>>()));
    is_sound(&path);
}
