//! A line for those who send much: a turn of the loop takes in a piece of one of them, and the first piece of
//! whoever has just begun. Without it, megabytes that come on many connections at once would be taken in
//! before a conversation has its turn again.

use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::{Mutex, PoisonError},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use tokio::{sync::Notify, task::yield_now};

/// The most that is read at once, in bytes.
pub const READ_CHUNK: usize = 64 << 10;
/// Who has read so much at once has perhaps more, and must stand in line for it.
const MUCH: usize = 16 << 10;
/// What was read so long ago says nothing of what comes now.
const LONG_AGO: Duration = Duration::from_millis(100);

/// The line. Of one thread, but part of streams that hyper wants to be `Send`.
#[derive(Default)]
pub struct Line {
    waiting: Mutex<Waiting>,
    some: Notify,
}

#[derive(Default)]
struct Waiting {
    /// How many have been called up so far.
    called: u64,
    /// Who stands in line. The first has the number `called`.
    wakers: VecDeque<Waker>,
}

/// The place of one connection.
#[derive(Default)]
pub struct Place {
    /// When much was read last, if nothing else has been read since.
    much: Option<Instant>,
    number: Option<u64>,
}

impl Line {
    /// Ready when the connection may read up to [`READ_CHUNK`]: at once, unless it has much to read.
    pub fn poll_turn(&self, place: &mut Place, cx: &Context<'_>) -> Poll<()> {
        let Some(much) = place.much else { return Poll::Ready(()) };
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(number) = place.number else {
            if much.elapsed() > LONG_AGO {
                return Poll::Ready(());
            }
            place.number = Some(waiting.called + waiting.wakers.len() as u64);
            waiting.wakers.push_back(cx.waker().clone());
            self.some.notify_one();
            return Poll::Pending;
        };
        let Some(ahead) = number.checked_sub(waiting.called) else {
            *place = Place::default();
            return Poll::Ready(());
        };
        if let Some(waker) = waiting.wakers.get_mut(ahead as usize) {
            waker.clone_from(cx.waker());
        }
        Poll::Pending
    }

    /// The same as a future.
    pub async fn turn(&self, place: &mut Place) {
        poll_fn(|cx| self.poll_turn(place, cx)).await;
    }

    /// Calls one up in each turn of the loop, for ever.
    pub async fn call_up(&self) {
        loop {
            if self.call() {
                yield_now().await;
            } else {
                self.some.notified().await;
            }
        }
    }

    fn call(&self) -> bool {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(waker) = waiting.wakers.pop_front() else { return false };
        waiting.called += 1;
        waker.wake();
        true
    }
}

impl Place {
    /// Notes what a read came to.
    pub fn has_read(&mut self, bytes: usize) {
        self.much = (bytes >= MUCH).then(Instant::now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{cell::RefCell, rc::Rc};
    use tokio::task::{LocalSet, spawn_local};

    #[tokio::test]
    async fn who_has_much_to_read_takes_turns_and_the_others_do_not_wait() {
        let line = Rc::new(Line::default());
        let log = Rc::new(RefCell::new(String::new()));
        let reader = |name: char, bytes: usize, reads: usize| {
            let (line, log) = (line.clone(), log.clone());
            async move {
                let mut place = Place::default();
                for _ in 0..reads {
                    line.turn(&mut place).await;
                    log.borrow_mut().push(name);
                    place.has_read(bytes);
                }
            }
        };
        let all = LocalSet::new();
        let readers = [('a', READ_CHUNK, 3), ('b', READ_CHUNK, 3), ('-', MUCH - 1, 3)];
        let readers = readers.map(|(name, bytes, n)| all.spawn_local(reader(name, bytes, n)));
        let lost = all.spawn_local(reader('c', READ_CHUNK, 9));
        all.run_until(async {
            let line = line.clone();
            spawn_local(async move { line.call_up().await });
            yield_now().await;
            lost.abort();
            for reader in readers {
                reader.await.unwrap();
            }
        })
        .await;
        assert_eq!(*log.borrow(), "ab---cabab");
    }
}
