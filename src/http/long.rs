//! Histories: few are made at a time, of long ones one, and they are bounded over all connections until the
//! kernel has them.
//!
//! A history may be as long as a room. Made at once for hundreds of clients it would keep Redis and the
//! loop from everybody else, and what is not read would fill the memory.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use bytes::Bytes;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    task::yield_now,
};

use super::error::Error;

/// More messages than this make a history long. The clients ask for 15 or 50 at a time.
const MANY: u64 = 100;
/// How many pages may be under way: what has come of them is in memory before it is known how long they are.
const PAGES: usize = 16;
/// An answer that is longer than this, in bytes, counts.
const LONG: usize = 64 << 10;
/// So much is done for one answer before all that is ready has its turn.
pub const PIECE: usize = 32 << 10;

/// The long answers of all connections.
pub struct LongAnswers {
    most: usize,
    /// Bytes of the answers that are not with the kernel yet. Atomic only since hyper wants what it sends
    /// to be `Send`.
    held: Arc<AtomicUsize>,
    /// For long histories.
    turn: Semaphore,
    /// For pages, which may be of long messages.
    pages: Semaphore,
}

/// What one long answer takes.
pub struct Share {
    bytes: usize,
    held: Arc<AtomicUsize>,
}

/// The bytes of an answer, counted for as long as any part of them is in memory.
struct Held {
    bytes: Vec<u8>,
    _share: Share,
}

impl LongAnswers {
    /// Answers that may take `most` bytes, and one more answer.
    pub fn new(most: usize) -> LongAnswers {
        let (turn, pages) = (Semaphore::new(1), Semaphore::new(PAGES));
        LongAnswers { most, held: Arc::default(), turn, pages }
    }

    /// Waits until a history of `count` messages, or of who knows how many, may be read and made into an
    /// answer. That must be done while the permit lives.
    ///
    /// # Errors
    /// When the answers that clients have not read yet take too much memory.
    pub async fn turn(&self, count: Option<u64>) -> Result<Option<SemaphorePermit<'_>>, Error> {
        let page = count.is_some_and(|count| count <= MANY);
        // They are never closed.
        let permit = if page { &self.pages } else { &self.turn }.acquire().await.ok();
        if !page && self.held.load(Relaxed) >= self.most { Err(Error::Full) } else { Ok(permit) }
    }

    /// Counts what an answer will be made of, if it is much.
    ///
    /// # Errors
    /// As for [`turn`](Self::turn).
    pub fn count(&self, bytes: usize) -> Result<Option<Share>, Error> {
        if bytes <= LONG {
            return Ok(None);
        }
        if self.held.load(Relaxed) >= self.most {
            return Err(Error::Full);
        }
        self.held.fetch_add(bytes, Relaxed);
        Ok(Some(Share { bytes, held: self.held.clone() }))
    }
}

/// The answer that was made of what was counted.
pub fn hold(bytes: Vec<u8>, share: Option<Share>) -> Bytes {
    match share {
        Some(share) => Bytes::from_owner(Held { bytes, _share: share }),
        None => bytes.into(),
    }
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.held.fetch_sub(self.bytes, Relaxed);
    }
}

/// Lets all that is ready have its turn each time that much has been done.
#[derive(Default)]
pub struct Pace(usize);

impl Pace {
    /// So many bytes were dealt with.
    pub async fn did(&mut self, bytes: usize) {
        self.0 += bytes;
        if self.0 >= PIECE {
            self.0 = 0;
            yield_now().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::{Duration, timeout};

    #[tokio::test]
    async fn what_is_not_read_is_bounded_but_one_answer_of_any_length_is_made() {
        let all = LongAnswers::new(100_000);
        let first = hold(vec![0; 1_000_000], all.count(1_000_000).unwrap());
        let part = first.slice(10..20);
        drop(first);
        assert!(matches!(all.turn(Some(101)).await, Err(Error::Full)));
        assert!(matches!(all.count(LONG + 1), Err(Error::Full)));
        // Short ones are made in any case.
        assert!(all.turn(Some(100)).await.is_ok());
        assert!(all.count(LONG).is_ok_and(|share| share.is_none()));
        drop(part);
        assert!(all.turn(None).await.is_ok());
        assert!(all.count(LONG + 1).is_ok());
    }

    #[tokio::test]
    async fn few_are_made_at_a_time() {
        let all = LongAnswers::new(100_000);
        for (count, most) in [(None, 1), (Some(100), PAGES), (Some(101), 1)] {
            let mut permits = Vec::new();
            for _ in 0..most {
                permits.push(all.turn(count).await.unwrap());
            }
            assert!(timeout(Duration::from_millis(20), all.turn(count)).await.is_err());
            permits.pop();
            assert!(all.turn(count).await.is_ok_and(|permit| permit.is_some()));
        }
    }
}
