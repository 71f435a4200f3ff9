//! The threads that read. Each has a connection of its own and sees what was committed before its
//! verb began.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread::JoinHandle,
};

use rusqlite::Connection;

use super::file::DataFile;

/// How many there are: a long history must not hold up all others.
const READERS: usize = 2;

/// What a verb wants to know. It answers by itself.
pub(super) type Question = Box<dyn FnOnce(&Connection) + Send>;

/// Starts the readers. They end when the sender is dropped and all is answered.
pub(super) fn start(
    file: &DataFile,
) -> Result<(mpsc::Sender<Question>, Vec<JoinHandle<()>>), String> {
    let (questions, asked) = mpsc::channel();
    let asked = Arc::new(Mutex::new(asked));
    let start = |number| {
        let (connection, asked) = (file.reader()?, asked.clone());
        let thread = std::thread::Builder::new().name(format!("data-reader-{number}"));
        let started = thread.spawn(move || read(&connection, &asked));
        started.map_err(|why| format!("no thread for reading can be started: {why}"))
    };
    let threads = (1..=READERS).map(start).collect::<Result<_, _>>()?;
    Ok((questions, threads))
}

fn read(connection: &Connection, asked: &Mutex<mpsc::Receiver<Question>>) {
    loop {
        // Whoever holds the lock waits for a question, the others for the lock.
        let next = asked.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(question) = next else { return };
        // Whoever asked sees that the answer is gone; the thread is still needed.
        if catch_unwind(AssertUnwindSafe(|| question(connection))).is_err() {
            tracing::error!("reading the data file failed in an unforeseen way");
        }
    }
}
