//! Long answers: what they are made of is read by turns, and they are bounded over all connections until the
//! kernel has them.
//!
//! A history may be as long as a room. Made at once for hundreds of clients it would keep Redis and the
//! loop from everybody else, and what is not read would fill the memory.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::{spawn_local, yield_now},
};

use super::error::Error;
use crate::{store, tally::Tally};

/// More messages than this make a history long. The clients ask for 15 or 50 at a time.
const PAGE: u64 = 100;
/// How many messages of pages may be under way: each may be as long as a message can be.
const PAGES: u32 = 320;
/// An answer that is longer than this, in bytes, counts.
const LONG: usize = 64 << 10;
/// So much is done for one answer before all that is ready has its turn.
pub const STEP: usize = 32 << 10;

/// The long answers of all connections.
pub struct LongAnswers {
    most: usize,
    /// Bytes of the answers that are not with the kernel yet. Atomic only since hyper wants what it sends
    /// to be `Send`.
    held: Arc<AtomicUsize>,
    /// One long history at a time.
    whole: Arc<Semaphore>,
    /// So many messages of pages.
    pages: Arc<Semaphore>,
    refused: Tally,
}

/// What one long answer takes.
pub struct Share {
    bytes: usize,
    held: Arc<AtomicUsize>,
}

/// The bytes of an answer, counted for as long as any part of them is in memory.
struct Held {
    bytes: Bytes,
    _share: Share,
}

impl LongAnswers {
    /// Answers that may take `most` bytes, and one more answer.
    pub fn new(most: usize) -> LongAnswers {
        LongAnswers {
            most,
            held: Arc::default(),
            whole: Arc::new(Semaphore::new(1)),
            pages: Arc::new(Semaphore::new(PAGES as usize)),
            refused: Tally::default(),
        }
    }

    /// Has `count` messages read, or who knows how many, when it is their turn. The permit is to live until they are
    /// an answer.
    ///
    /// # Errors
    /// For more than a page, when the answers that clients have not read yet take too much memory; and those of the
    /// store.
    pub async fn read<T: 'static>(
        &self,
        count: Option<u64>,
        reading: impl Future<Output = store::Result<T>> + 'static,
    ) -> Result<(T, Option<OwnedSemaphorePermit>), Error> {
        let permit = self.permit(count).await?;
        let reading = Box::pin(async move { (reading.await, permit) });
        let (found, permit) = ToItsEnd(Some(reading)).await;
        Ok((found?, permit))
    }

    async fn permit(&self, count: Option<u64>) -> Result<Option<OwnedSemaphorePermit>, Error> {
        let page = count.filter(|count| *count <= PAGE);
        // While there is no room, what a page is made of will likely be refused too.
        let permit = match page {
            Some(count) if !self.is_full() => self.pages.clone().acquire_many_owned(count as u32),
            _ => self.whole.clone().acquire_many_owned(1),
        };
        // They are never closed.
        let permit = permit.await.ok();
        if page.is_none() && self.is_full() { Err(self.refusal()) } else { Ok(permit) }
    }

    /// Counts an answer, or what it will be made of, if that is much.
    ///
    /// # Errors
    /// When the answers that clients have not read yet take too much memory.
    pub fn count(&self, bytes: usize) -> Result<Option<Share>, Error> {
        if bytes <= LONG {
            return Ok(None);
        }
        if self.is_full() {
            return Err(self.refusal());
        }
        self.held.fetch_add(bytes, Relaxed);
        Ok(Some(Share { bytes, held: self.held.clone() }))
    }

    /// An answer that stays counted as long as it is in memory.
    ///
    /// # Errors
    /// When the answers that clients have not read yet take too much memory.
    pub fn hold(&self, bytes: Bytes) -> Result<Bytes, Error> {
        Ok(match self.count(bytes.len())? {
            Some(share) => Bytes::from_owner(Held { bytes, _share: share }),
            None => bytes,
        })
    }

    fn is_full(&self) -> bool {
        self.held.load(Relaxed) >= self.most
    }

    fn refusal(&self) -> Error {
        if let Some(so_far) = self.refused.note() {
            tracing::warn!(
                so_far,
                "ANSWER_BYTES is reached: who asks for a long answer gets a 503"
            );
        }
        Error::Full
    }
}

/// What is waited for to its end, in a task of its own if who waited is gone: the store reads on then, and who asks,
/// leaves and asks again must not have it read many at once. (A task for each would cost a page a fifth more.)
struct ToItsEnd<F: Future + 'static>(Option<Pin<Box<F>>>);

impl<F: Future + 'static> Future for ToItsEnd<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let Some(reading) = &mut self.0 else { return Poll::Pending };
        let found = ready!(reading.as_mut().poll(cx));
        self.0 = None;
        Poll::Ready(found)
    }
}

impl<F: Future + 'static> Drop for ToItsEnd<F> {
    fn drop(&mut self) {
        if let Some(reading) = self.0.take() {
            spawn_local(async move { drop(reading.await) });
        }
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
        if self.0 >= STEP {
            self.0 = 0;
            yield_now().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::{sync::oneshot, task::LocalSet, time::timeout};

    #[tokio::test]
    async fn what_is_not_read_is_bounded_but_one_answer_of_any_length_is_made() {
        let all = LongAnswers::new(100_000);
        let first = all.hold(vec![0; 1_000_000].into()).unwrap();
        let part = first.slice(10..20);
        drop(first);
        assert!(matches!(all.permit(Some(101)).await, Err(Error::Full)));
        assert!(matches!(all.hold(vec![0; LONG + 1].into()), Err(Error::Full)));
        // Short ones are made in any case.
        assert!(all.permit(Some(100)).await.is_ok());
        assert!(all.hold(vec![0; LONG].into()).is_ok());
        drop(part);
        assert!(all.permit(None).await.is_ok());
        assert!(all.count(LONG + 1).is_ok());
    }

    #[tokio::test]
    async fn what_is_being_read_keeps_its_permit_when_who_asked_is_gone() {
        let all = LongAnswers::new(100_000);
        let here = LocalSet::new();
        here.run_until(async {
            let (answer, store) = oneshot::channel::<()>();
            let reading = async move { Ok(store.await.is_ok()) };
            let asked = timeout(Duration::from_millis(20), all.read(None, reading));
            assert!(asked.await.is_err());
            let another = || timeout(Duration::from_millis(20), all.permit(None));
            assert!(another().await.is_err());
            answer.send(()).unwrap();
            assert!(another().await.is_ok());
        })
        .await;
    }

    #[tokio::test]
    async fn few_are_made_at_a_time() {
        let all = LongAnswers::new(100_000);
        for (count, most) in [(None, 1), (Some(100), 3), (Some(16), 20), (Some(101), 1)] {
            let mut permits = Vec::new();
            for _ in 0..most {
                permits.push(all.permit(count).await.unwrap());
            }
            let one_more = timeout(Duration::from_millis(20), all.permit(count));
            assert!(one_more.await.is_err(), "{count:?}");
            permits.pop();
            assert!(all.permit(count).await.is_ok_and(|permit| permit.is_some()));
        }
    }
}
