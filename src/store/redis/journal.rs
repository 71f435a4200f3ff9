//! The ordered writes on Redis (`http-and-redis.md` section 8; stored = announced).
//!
//! Each commit is one `MULTI … EXEC`, so that a refused write announces nothing. Commits of one
//! turn share a pipeline. A commit stays in the queue until Redis has answered it. After a lost
//! link it is unknown which transactions were done, and an equal member in a room proves nothing,
//! so each transaction also sets a running number under a key of our own: it is read first, what
//! Redis has done is dropped from the queue, and the rest is sent again. The [`Link`] makes sure
//! that nothing sent before is done after that.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
};

use futures_util::{StreamExt, stream::FuturesOrdered};
use redis::{Pipeline, Value};
use tokio::{sync::Notify, task::spawn_local};

use super::{leases, link::Link};
use crate::{
    contract::keys,
    store::{
        Result,
        commit::{Commit, Outcome, Then},
    },
    tally::Tally,
};

/// Pipelines under way at a time. While two are, what arrives is gathered for the next one, so
/// that a busy server sends fewer and larger ones.
const UNDER_WAY: usize = 2;
/// Commits in one pipeline.
const BATCH: usize = 512;
/// Life of the running number, in seconds after the last commit of this process.
const NUMBER_SECONDS: u64 = 86_400;

struct Entry {
    number: u64,
    commit: Commit,
    size: usize,
    then: Then,
}

struct Shared {
    link: Link,
    process: String,
    /// Where the running number is kept.
    number_key: String,
    entries: RefCell<VecDeque<Entry>>,
    /// How many of the first entries are under way.
    sent: Cell<usize>,
    next: Cell<u64>,
    bytes: Cell<usize>,
    work: Notify,
    idle: Notify,
    refused: Tally,
}

/// The queue of commits of one process. Cheap to clone.
#[derive(Clone)]
pub struct Journal {
    shared: Rc<Shared>,
}

impl Journal {
    /// An empty journal on a link of its own. `process` is a name that no other process ever has.
    pub fn start(link: Link, process: &str) -> Journal {
        let shared = Rc::new(Shared {
            link,
            process: process.to_owned(),
            number_key: keys::journal(process),
            entries: RefCell::default(),
            sent: Cell::new(0),
            next: Cell::new(1),
            bytes: Cell::new(0),
            work: Notify::new(),
            idle: Notify::new(),
            refused: Tally::default(),
        });
        spawn_local(pump(shared.clone()));
        Journal { shared }
    }

    /// Adds a commit. `then` is called once when it is done or refused.
    pub fn push(&self, commit: Commit, then: Then) {
        let shared = &self.shared;
        let number = shared.next.replace(shared.next.get() + 1);
        let size = commit.size();
        shared.bytes.set(shared.bytes.get() + size);
        shared.entries.borrow_mut().push_back(Entry { number, commit, size, then });
        shared.work.notify_one();
    }

    /// Number of commits that wait or are under way.
    pub fn len(&self) -> usize {
        self.shared.entries.borrow().len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of the commits that wait or are under way.
    pub fn bytes(&self) -> usize {
        self.shared.bytes.get()
    }

    /// Returns when nothing waits.
    pub async fn until_empty(&self) {
        while !self.is_empty() {
            self.shared.idle.notified().await;
        }
    }
}

impl Shared {
    /// The commits that are not under way yet, as one pipeline, and their number.
    fn gather(&self) -> (Pipeline, usize) {
        let entries = self.entries.borrow();
        let batch = entries.range(self.sent.get()..).take(BATCH);
        let mut pipeline = Pipeline::new();
        let mut count = 0;
        for entry in batch {
            self.add(&mut pipeline, entry);
            count += 1;
        }
        self.sent.set(self.sent.get() + count);
        (pipeline, count)
    }

    fn add(&self, pipeline: &mut Pipeline, entry: &Entry) {
        let commit = &entry.commit;
        pipeline.cmd("MULTI");
        // The room's state rides along, so that a flushed Redis is noticed.
        if let Some(message) = &commit.message {
            pipeline
                .cmd("EXISTS")
                .arg(keys::room_name(&message.room))
                .arg(keys::room(&message.room));
        }
        if !commit.online.is_empty() {
            pipeline.cmd("SADD").arg(keys::ONLINE_USERS).arg(&commit.online);
        }
        if let Some(id) = &commit.looked_for {
            pipeline.cmd("SISMEMBER").arg(keys::ONLINE_USERS).arg(id);
        }
        if let Some(id) = &commit.offline {
            pipeline.cmd("SREM").arg(keys::ONLINE_USERS).arg(id);
        }
        if let Some(message) = &commit.message {
            let key = keys::room(&message.room);
            pipeline.cmd("ZADD").arg(key).arg(&message.score).arg(&message.member);
        }
        match &commit.counted {
            // It announces too.
            Some(change) => leases::count(pipeline, &self.process, change, &commit.publish),
            None => {
                for envelope in &commit.publish {
                    pipeline.cmd("PUBLISH").arg(keys::CHANNEL).arg(envelope);
                }
            }
        }
        pipeline.cmd("SET").arg(&self.number_key).arg(entry.number).arg("EX").arg(NUMBER_SECONDS);
        pipeline.cmd("EXEC");
    }

    /// Takes the oldest commit off the queue and reports its outcome.
    fn settle(&self, outcome: Outcome) {
        let entry = self.entries.borrow_mut().pop_front();
        let Some(entry) = entry else { return };
        self.sent.set(self.sent.get().saturating_sub(1));
        self.bytes.set(self.bytes.get() - entry.size);
        (entry.then)(outcome);
        if self.entries.borrow().is_empty() {
            self.idle.notify_waiters();
            self.idle.notify_one();
        }
    }

    /// Settles the oldest commits by the replies to their pipeline.
    fn settle_all(&self, count: usize, replies: Vec<Value>) {
        let mut replies = replies.into_iter();
        for _ in 0..count {
            // Each transaction's replies end with that of EXEC; those before it only matter when
            // a command was refused.
            let mut refused = None;
            let executed = loop {
                match replies.next() {
                    Some(Value::Array(results)) => break Some(results),
                    Some(Value::ServerError(why)) => {
                        let text = format!("{} {}", why.code(), why.details().unwrap_or_default());
                        if why.code() == "EXECABORT" {
                            break None;
                        }
                        refused.get_or_insert(text);
                    }
                    Some(_) => {}
                    None => break None,
                }
            };
            self.settle(match executed {
                Some(results) => self.done(&results),
                None => {
                    let why = refused.unwrap_or_else(|| "no reply to EXEC".into());
                    if let Some(refused_so_far) = self.refused.note() {
                        tracing::error!(
                            why,
                            refused_so_far,
                            "Redis refused an event: it is neither stored nor announced"
                        );
                    }
                    Outcome::Refused
                }
            });
        }
    }

    fn done(&self, results: &[Value]) -> Outcome {
        for result in results {
            if let Value::ServerError(why) = result {
                let why = format!("{} {}", why.code(), why.details().unwrap_or_default());
                tracing::error!(why, "a part of an event failed in Redis");
            }
        }
        let entries = self.entries.borrow();
        let commit = entries.front().map(|entry| &entry.commit);
        let mut results = results.iter();
        let stores = commit.is_some_and(|commit| commit.message.is_some());
        let room_was_new = stores && matches!(results.next(), Some(Value::Int(0)));
        let looks = commit.is_some_and(|c| c.looked_for.is_some());
        let changes = commit.is_some_and(|c| c.counted.is_some() || !c.online.is_empty());
        let online_changed = match (looks || changes).then(|| results.next()).flatten() {
            Some(Value::Int(count)) => Some((*count > 0) != looks),
            _ => None,
        };
        if stores && matches!(results.next(), Some(Value::ServerError(_))) {
            return Outcome::Refused;
        }
        Outcome::Done { room_was_new, online_changed }
    }

    /// Finds out what Redis has done before the link was lost, and settles that.
    async fn recover(&self) -> Result<()> {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("GET").arg(&self.number_key);
        let replies = self.link.query(&pipeline).await?;
        let done = match replies.first() {
            Some(Value::BulkString(text)) => {
                std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).unwrap_or(0)
            }
            _ => 0,
        };
        self.sent.set(0);
        while self.entries.borrow().front().is_some_and(|entry| entry.number <= done) {
            self.settle(Outcome::Done { room_was_new: false, online_changed: None });
        }
        Ok(())
    }
}

/// Sends commits for ever.
async fn pump(journal: Rc<Shared>) {
    loop {
        let mut under_way = FuturesOrdered::new();
        loop {
            let more = journal.entries.borrow().len() > journal.sent.get();
            if more && under_way.len() < UNDER_WAY {
                let (pipeline, count) = journal.gather();
                let link = journal.link.clone();
                under_way.push_back(async move { (count, link.query(&pipeline).await) });
                continue;
            }
            tokio::select! {
                biased;
                Some((count, answer)) = under_way.next() => match answer {
                    Ok(replies) => journal.settle_all(count, replies),
                    Err(_) => break,
                },
                () = journal.work.notified() => {}
            }
        }
        drop(under_way);
        loop {
            journal.link.until_up().await;
            if journal.recover().await.is_ok() {
                break;
            }
        }
    }
}
