//! The thread that writes. All that waits becomes one transaction, so that a busy server waits for
//! the disk once for many writes.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc::{Receiver, RecvTimeoutError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use tokio::sync::{mpsc::UnboundedSender, oneshot, watch};

use super::{failure, file::DataFile, messages, sessions, tables::Tables};
use crate::{
    js,
    store::{
        self, StoreError,
        commit::{Outcome, StoredMessage},
    },
    tally::Tally,
};

/// Jobs in one transaction.
const GROUP: usize = 512;
/// Bytes of messages from which on a transaction takes no more jobs.
const GROUP_BYTES: usize = 8 << 20;
/// Between two looks for sessions whose life has ended.
const SWEEP: Duration = Duration::from_secs(60);
/// Sessions that are deleted in one go.
const SWEEP_BATCH: usize = 500;
/// Size of the write-ahead log in bytes from which on readers are made to wait until it is emptied.
/// Up to that SQLite empties it whenever nobody reads.
const LONG_LOG: u64 = 64 << 20;
/// Between two looks at its size.
const LOOK: Duration = Duration::from_secs(1);

/// A write that somebody awaits.
pub(super) trait Call: Send {
    /// Does its part inside a transaction. Done again if that was rolled back.
    fn run(&mut self, tables: &mut Tables) -> rusqlite::Result<()>;
    /// Answers: the transaction was committed, or this is why not.
    fn answer(self: Box<Self>, failed: Option<StoreError>);
}

/// A write of one verb.
pub(super) struct Verb<T, W> {
    pub(super) work: W,
    pub(super) done: Option<T>,
    pub(super) reply: oneshot::Sender<store::Result<T>>,
}

impl<T: Send, W: FnMut(&mut Tables) -> rusqlite::Result<T> + Send> Call for Verb<T, W> {
    fn run(&mut self, tables: &mut Tables) -> rusqlite::Result<()> {
        self.done = Some((self.work)(tables)?);
        Ok(())
    }

    fn answer(self: Box<Self>, failed: Option<StoreError>) {
        let answer = match failed {
            Some(why) => Err(why),
            None => self.done.ok_or_else(failure::closed),
        };
        // Whoever asked may have gone.
        let _ = self.reply.send(answer);
    }
}

/// One piece of work.
pub(super) enum Job {
    /// A commit; its message, if it has one.
    Commit(Option<StoredMessage>),
    /// Any other write.
    Call(Box<dyn Call>),
}

/// A job in a group, with what became of it.
struct Task {
    job: Job,
    room_was_new: bool,
    failed: Option<StoreError>,
}

pub(super) struct Writer {
    pub(super) file: DataFile,
    pub(super) jobs: Receiver<Job>,
    pub(super) outcomes: UnboundedSender<Vec<Outcome>>,
    pub(super) readers: Vec<JoinHandle<()>>,
    /// Events that the file refused.
    pub(super) refused: Tally,
}

impl Writer {
    /// Works until there will be no more jobs and the last one is done, then closes the file. `ended`
    /// is dropped after that.
    pub(super) fn run(mut self, ended: watch::Sender<()>) {
        let mut sweep = Instant::now();
        let mut look = sweep + LOOK;
        loop {
            match self.jobs.recv_timeout(sweep.saturating_duration_since(Instant::now())) {
                Ok(job) => {
                    let group = self.gather(job);
                    self.work(group);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            let now = Instant::now();
            if now >= sweep {
                let pause = if self.sweep() { Duration::ZERO } else { SWEEP };
                sweep = Instant::now() + pause;
            }
            if now >= look {
                if self.file.log_bytes() > LONG_LOG {
                    self.empty_log();
                }
                look = Instant::now() + LOOK;
            }
        }
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
        self.empty_log();
        drop(self);
        drop(ended);
    }

    /// The job and those that wait behind it.
    fn gather(&self, first: Job) -> Vec<Task> {
        let mut group = Vec::new();
        let mut bytes = 0;
        let mut next = Some(first);
        while let Some(job) = next {
            if let Job::Commit(Some(message)) = &job {
                bytes += message.member.len();
            }
            group.push(Task { job, room_was_new: false, failed: None });
            let full = group.len() >= GROUP || bytes >= GROUP_BYTES;
            next = if full { None } else { self.jobs.try_recv().ok() };
        }
        group
    }

    /// Does a group of jobs, and answers them.
    fn work(&mut self, mut group: Vec<Task>) {
        if let Err(why) = self.transaction(&mut group) {
            // One job that can't be done must not take the others with it.
            match &mut group[..] {
                [only] => only.failed = Some(why),
                all => {
                    for task in all {
                        if let Err(why) = self.transaction(std::slice::from_mut(task)) {
                            task.failed = Some(why);
                        }
                    }
                }
            }
        }
        let mut outcomes = Vec::with_capacity(group.len());
        for Task { job, room_was_new, failed } in group {
            match (job, failed) {
                (Job::Call(call), failed) => call.answer(failed),
                (Job::Commit(_), None) => {
                    outcomes.push(Outcome::Done { room_was_new, online_changed: None })
                }
                (Job::Commit(_), Some(StoreError::Refused(why) | StoreError::Unavailable(why))) => {
                    // A full disk refuses thousands of them a second.
                    if let Some(refused_so_far) = self.refused.note() {
                        tracing::error!(
                            why,
                            refused_so_far,
                            "the data file refused events: they are not stored"
                        );
                    }
                    outcomes.push(Outcome::Refused);
                }
            }
        }
        if !outcomes.is_empty() {
            let _ = self.outcomes.send(outcomes);
        }
    }

    /// Does jobs as one transaction: all of them or none.
    fn transaction(&mut self, tasks: &mut [Task]) -> store::Result<()> {
        // Who comes and goes is not in the file.
        if tasks.iter().all(|task| matches!(task.job, Job::Commit(None))) {
            return Ok(());
        }
        let tables = &mut self.file.tables;
        let work = |tables: &mut Tables| tasks.iter_mut().try_for_each(|task| task.run(tables));
        match catch_unwind(AssertUnwindSafe(|| tables.transaction(work))) {
            Ok(done) => done.map_err(|why| failure::refusal(&why)),
            Err(_) => {
                tables.roll_back();
                Err(StoreError::Refused("writing failed in an unforeseen way".into()))
            }
        }
    }

    /// Deletes some of the sessions whose life has ended. True if there may be more.
    fn sweep(&mut self) -> bool {
        let swept = self.file.tables.transaction(|tables| sessions::sweep(tables, SWEEP_BATCH));
        match swept {
            Ok(swept) => swept == SWEEP_BATCH,
            Err(why) => {
                tracing::warn!(why = failure::words(&why), "old sessions can't be deleted");
                false
            }
        }
    }

    /// Moves all of the write-ahead log into the file, and cuts it to nothing.
    fn empty_log(&self) {
        let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
        let busy = self.file.tables.connection.query_row(sql, [], |row| row.get::<_, bool>(0));
        match busy {
            Ok(false) => {}
            Ok(true) => tracing::debug!("the write-ahead log can't be emptied yet"),
            Err(why) => {
                tracing::warn!(why = failure::words(&why), "the log can't be moved into the file");
            }
        }
    }
}

impl Task {
    fn run(&mut self, tables: &mut Tables) -> rusqlite::Result<()> {
        match &mut self.job {
            Job::Commit(None) => {}
            Job::Commit(Some(message)) => match js::redis_score(message.score.as_bytes()) {
                Some(score) => {
                    let added = messages::add(tables, &message.room, score, &message.member)?;
                    self.room_was_new = added;
                }
                None => {
                    let why = format!("{:?} is no score", message.score);
                    self.failed = Some(StoreError::Refused(why));
                }
            },
            Job::Call(call) => call.run(tables)?,
        }
        Ok(())
    }
}
