//! bcrypt, off the loop (`http-and-redis.md` section 2, `/login`).
//!
//! One hash takes some 50 ms of a core. It is done on threads of low priority, so that a rush of
//! logins can't delay messages.

use std::{
    num::NonZero,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
};

use tokio::sync::oneshot;

/// The cost of new hashes; stored ones may have any.
const COST: u32 = 10;
/// What bcrypt looks at: the rest of a longer password counts for nothing.
const USED_BYTES: usize = 72;
/// How far the threads step back (nice value).
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

type Job = Box<dyn FnOnce() + Send>;

/// The threads and the queue before them. They end with this value.
pub struct Passwords {
    queue: mpsc::SyncSender<Job>,
}

/// The queue is full: too many logins at once.
#[derive(Debug, PartialEq, Eq)]
pub struct Busy;

/// As many as there are cores but one, at least one.
fn threads() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get).saturating_sub(1).max(1)
}

impl Passwords {
    /// Starts a thread for each core but one, at least one. `queue` is how many requests may wait.
    ///
    /// # Errors
    /// If the system refuses a thread.
    pub fn start(queue: usize) -> std::io::Result<Passwords> {
        let (sender, receiver) = mpsc::sync_channel::<Job>(queue);
        let receiver = Arc::new(Mutex::new(receiver));
        for _ in 0..threads() {
            let receiver = Arc::clone(&receiver);
            thread::Builder::new().name("bcrypt".into()).spawn(move || work(&receiver))?;
        }
        Ok(Passwords { queue: sender })
    }

    /// The hash to store for a password.
    ///
    /// # Errors
    /// [`Busy`] if the queue is full.
    pub async fn hash(&self, mut password: Vec<u8>) -> Result<String, Busy> {
        password.truncate(USED_BYTES);
        self.run(move || bcrypt::hash(password, COST)).await?.map_err(|why| {
            // Only the system's random numbers can fail.
            tracing::error!(%why, "a password can't be hashed");
            Busy
        })
    }

    /// Whether a password is the one of a stored hash. A hash that is none fits no password.
    ///
    /// # Errors
    /// [`Busy`] if the queue is full.
    pub async fn verify(&self, mut password: Vec<u8>, hash: String) -> Result<bool, Busy> {
        password.truncate(USED_BYTES);
        // The library would take $2x$, $2y$ and hashes without the first `$` as well.
        if hash.len() != 60 || !(hash.starts_with("$2a$") || hash.starts_with("$2b$")) {
            return Ok(false);
        }
        self.run(move || bcrypt::verify(password, &hash).unwrap_or(false)).await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let (reply, result) = oneshot::channel();
        let job = move || {
            // Nobody waits any more if the client has left.
            if !reply.is_closed() {
                let _ = reply.send(work());
            }
        };
        self.queue.try_send(Box::new(job)).map_err(|_| Busy)?;
        result.await.map_err(|_| Busy)
    }
}

fn work(queue: &Mutex<mpsc::Receiver<Job>>) {
    #[cfg(target_os = "linux")]
    if let Err(why) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::warn!(%why, "password hashing keeps its normal priority");
    }
    loop {
        // The lock is held while waiting and given back before working.
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match job {
            Ok(job) => job(),
            Err(mpsc::RecvError) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    #[test]
    fn hashes_have_the_originals_form_and_verify() {
        let passwords = Passwords::start(8).unwrap();
        let long = [b'x'; 100].to_vec();
        let hash = block_on(passwords.hash(long.clone())).unwrap();
        assert!(hash.starts_with("$2b$10$") && hash.len() == 60, "{hash}");
        let verify = |password: &[u8], hash: &str| {
            block_on(passwords.verify(password.to_vec(), hash.to_owned())).unwrap()
        };
        assert!(verify(&long, &hash) && verify(&long[..72], &hash));
        assert!(!verify(&long[..71], &hash));
        assert!(verify(&long, &hash.replace("$2b$", "$2a$")));
        for bad in
            [&hash.replace("$2b$", "$2y$"), &hash.replace("$2b$", "$2x$"), &hash[1..], "", "x"]
        {
            assert!(!verify(&long, bad), "{bad}");
        }
    }

    #[test]
    fn hashes_of_the_originals_library_verify() {
        let passwords = Passwords::start(8).unwrap();
        let verify = |password: &str, end: &str| {
            let hash = format!("$2b$04$abcdefghijklmnopqrstuu{end}");
            block_on(passwords.verify(password.into(), hash)).unwrap()
        };
        assert!(verify("a", "MFdJu9yVgmagVAIC24fOZkaFqd3s9JC"));
        assert!(verify("", "byCG3zY1GIXMyxfivm.ClDiInHzxjiq"));
        // NUL is a byte like any other, and the cut falls where it falls.
        assert!(verify("a\0b", "sjHI0zQHpOe3SFDK1IriYv6N79Gzr32"));
        assert!(!verify("a\0c", "sjHI0zQHpOe3SFDK1IriYv6N79Gzr32"));
        assert!(verify(&"é".repeat(40), "KiIlCeXB6chNXkLyAo8C7XcLPzh6zUe"));
        assert!(verify(&"é".repeat(36), "KiIlCeXB6chNXkLyAo8C7XcLPzh6zUe"));
    }

    #[test]
    fn a_full_queue_is_busy_and_threads_end() {
        let passwords = Passwords::start(1).unwrap();
        let (block, gate) = mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        let (started, has_started) = mpsc::channel();
        let job = || -> Job {
            let (gate, started) = (Arc::clone(&gate), started.clone());
            Box::new(move || {
                let _ = started.send(());
                gate.lock().unwrap().recv().unwrap_or_default();
            })
        };
        // One for each thread, which has it before the next comes, and one that waits.
        for _ in 0..threads() {
            assert!(passwords.queue.try_send(job()).is_ok());
            has_started.recv_timeout(std::time::Duration::from_secs(30)).unwrap();
        }
        assert!(passwords.queue.try_send(job()).is_ok());
        assert_eq!(block_on(passwords.hash(vec![])), Err(Busy));
        drop(block);
    }
}
