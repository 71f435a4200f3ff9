//! The store that needs no other program: one file, written by SQLite in write-ahead mode.
//!
//! It serves one process. Announcements for other instances therefore go nowhere, and who is online
//! is kept in memory. The loop hands its writes to one thread (`writer.rs`), which does all that waits
//! as one transaction, and its questions to a few others (`readers.rs`); a write is answered when it is
//! committed, and whatever is asked after that sees it. Layout of the file: `schema.rs`.

mod failure;
pub mod file;
mod messages;
mod queue;
mod readers;
mod records;
mod rooms;
mod schema;
mod seed;
mod sessions;
mod tables;
#[cfg(test)]
mod tests;
mod users;
mod writer;

use std::{
    cell::RefCell,
    path::Path,
    rc::Rc,
    sync::mpsc::{self, Sender},
    thread::JoinHandle,
};

use clap::ValueEnum;
use rusqlite::Connection;
use tokio::{
    sync::{mpsc::unbounded_channel, oneshot, watch},
    task::spawn_local,
};

use self::{
    file::DataFile,
    queue::Queue,
    readers::Question,
    tables::Tables,
    writer::{Job, Verb, Writer},
};
use crate::{
    store::{
        Result,
        commit::{Commit, Then},
    },
    tally::Tally,
};

/// How carefully the file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Sync {
    /// What was answered survives a power loss: each group of writes waits for the disk.
    Full,
    /// What was answered survives a killed server. A power loss may take the last seconds; the file
    /// stays sound.
    Normal,
}

/// The store in a file. Cheap to clone. Its verbs are documented at [`crate::store::Store`].
///
/// When the last clone is dropped, all that was handed to it is written and the file is closed; that
/// waits for the disk. [`EmbeddedStore::close`] does the same without holding up the loop.
#[derive(Clone)]
pub struct EmbeddedStore {
    shared: Rc<Shared>,
}

struct Shared {
    /// `None` once the store was closed.
    threads: RefCell<Option<Threads>>,
    writer: RefCell<Option<JoinHandle<()>>>,
    /// Has no sender any more when the file is closed.
    ended: watch::Receiver<()>,
    queue: Rc<Queue>,
    secret: String,
}

/// The ways to the threads, which end when these are dropped.
struct Threads {
    jobs: Sender<Job>,
    questions: Sender<Question>,
}

impl EmbeddedStore {
    /// Opens or creates the data file and starts the threads. Nobody is online. Must be called where
    /// `spawn_local` works.
    ///
    /// # Errors
    /// A sentence for people, as [`DataFile::open`].
    pub fn open(path: &Path, sync: Sync) -> std::result::Result<EmbeddedStore, String> {
        let file = DataFile::open(path, sync)?;
        let secret = file.session_secret().to_owned();
        let (questions, readers) = readers::start(&file)?;
        let (jobs, work) = mpsc::channel();
        let (outcomes, settled) = unbounded_channel();
        let (ending, ended) = watch::channel(());
        let writer = Writer { file, jobs: work, outcomes, readers, refused: Tally::default() };
        let thread = std::thread::Builder::new().name("data-writer".into());
        let thread = thread
            .spawn(move || writer.run(ending))
            .map_err(|why| format!("no thread for writing can be started: {why}"))?;
        let queue = Rc::new(Queue::default());
        spawn_local(queue::settle(queue.clone(), settled));
        let threads = RefCell::new(Some(Threads { jobs, questions }));
        let writer = RefCell::new(Some(thread));
        Ok(Self { shared: Rc::new(Shared { threads, writer, ended, queue, secret }) })
    }

    /// The secret for session cookies: random, made with the file and kept in it.
    pub fn session_secret(&self) -> &str {
        &self.shared.secret
    }

    /// Writes all that was handed to the store, closes the file, and returns when that is done. Verbs
    /// of all clones fail from now on, and commits are refused.
    pub async fn close(&self) {
        drop(self.shared.threads.borrow_mut().take());
        // An error is what is waited for: the sender is gone.
        let _ = self.shared.ended.clone().wait_for(|()| false).await;
        self.until_settled().await;
    }

    pub(crate) fn commit(&self, commit: Commit, then: Then) {
        let queue = &self.shared.queue;
        let message = queue.push(commit, then);
        if !self.send(Job::Commit(message)) {
            queue.refuse_late();
        }
    }

    pub(crate) fn held(&self) -> usize {
        self.shared.queue.len()
    }

    pub(crate) fn held_bytes(&self) -> usize {
        self.shared.queue.bytes()
    }

    pub(crate) async fn until_settled(&self) {
        self.shared.queue.until_empty().await;
    }

    fn queue(&self) -> &Queue {
        &self.shared.queue
    }

    /// Asks a reader.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let question: Question = Box::new(move |connection| {
            let _ = reply.send(work(connection).map_err(|why| failure::refusal(&why)));
        });
        match &*self.shared.threads.borrow() {
            Some(threads) => drop(threads.questions.send(question)),
            None => drop(question),
        }
        answer.await.unwrap_or_else(|_| Err(failure::closed()))
    }

    /// Has something written, and waits until it is committed. The work may be done more than once:
    /// what it did in a transaction that failed is undone.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnMut(&mut Tables) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        self.write_later(work).await.unwrap_or_else(|_| Err(failure::closed()))
    }

    /// Has something written behind all writes before it.
    fn write_later<T: Send + 'static>(
        &self,
        work: impl FnMut(&mut Tables) -> rusqlite::Result<T> + Send + 'static,
    ) -> oneshot::Receiver<Result<T>> {
        let (reply, answer) = oneshot::channel();
        self.send(Job::Call(Box::new(Verb { work, done: None, reply })));
        answer
    }

    fn send(&self, job: Job) -> bool {
        self.shared.threads.borrow().as_ref().is_some_and(|threads| threads.jobs.send(job).is_ok())
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.threads.take();
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
        self.queue.abandon();
    }
}
