//! The ordered writes on the loop's side: their announcements wait here while the writer has their
//! messages, and who is online is known here alone.

use std::{
    cell::{Cell, Ref, RefCell},
    collections::{HashSet, VecDeque},
    rc::Rc,
};

use tokio::sync::{Notify, mpsc::UnboundedReceiver};

use crate::store::commit::{Commit, Outcome, StoredMessage, Then};

struct Entry {
    online: Vec<String>,
    offline: Option<String>,
    size: usize,
    then: Then,
}

/// The commits that have no outcome yet, in order, and the online set.
#[derive(Default)]
pub(super) struct Queue {
    entries: RefCell<VecDeque<Entry>>,
    bytes: Cell<usize>,
    /// In memory only: it belongs to this process, so one that was killed leaves nobody online, and
    /// coming and going costs no write.
    online: RefCell<HashSet<String>>,
    idle: Notify,
    /// The writer has ended, and a commit came after that, or none will come any more.
    late: Notify,
    abandoned: Cell<bool>,
}

impl Queue {
    /// Adds a commit; returns what the writer needs of it.
    pub(super) fn push(&self, commit: Commit, then: Then) -> Option<StoredMessage> {
        let size = commit.size();
        // Nobody counts here, nor listens.
        let Commit { online, offline, message, looked_for: _, counted: _, publish: _ } = commit;
        self.bytes.set(self.bytes.get() + size);
        self.entries.borrow_mut().push_back(Entry { online, offline, size, then });
        message
    }

    pub(super) fn len(&self) -> usize {
        self.entries.borrow().len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.get()
    }

    /// Ids of the users who are online.
    pub(super) fn online(&self) -> Ref<'_, HashSet<String>> {
        self.online.borrow()
    }

    /// Returns when nothing waits.
    pub(super) async fn until_empty(&self) {
        while self.len() > 0 {
            self.idle.notified().await;
        }
    }

    /// There is no writer any more: what was added is to be refused.
    pub(super) fn refuse_late(&self) {
        self.late.notify_one();
    }

    /// Nothing will be added any more.
    pub(super) fn abandon(&self) {
        self.abandoned.set(true);
        self.late.notify_one();
    }

    /// Takes the oldest commit off the queue and reports its outcome.
    fn settle(&self, mut outcome: Outcome) {
        let entry = self.entries.borrow_mut().pop_front();
        let Some(entry) = entry else { return };
        self.bytes.set(self.bytes.get() - entry.size);
        if let Outcome::Done { online_changed, .. } = &mut outcome {
            let mut online = self.online.borrow_mut();
            let before = online.len();
            *online_changed = (!entry.online.is_empty()).then(|| {
                online.extend(entry.online);
                online.len() > before
            });
            if let Some(id) = &entry.offline {
                online.remove(id);
            }
        }
        (entry.then)(outcome);
        if self.entries.borrow().is_empty() {
            self.idle.notify_waiters();
            self.idle.notify_one();
        }
    }
}

/// Reports outcomes as the writer sends them, one group of them at a time.
pub(super) async fn settle(queue: Rc<Queue>, mut outcomes: UnboundedReceiver<Vec<Outcome>>) {
    while let Some(group) = outcomes.recv().await {
        for outcome in group {
            queue.settle(outcome);
        }
    }
    loop {
        let left = queue.len();
        if left > 0 {
            tracing::error!(events = left, "the data file is closed: events are not stored");
        }
        for _ in 0..left {
            queue.settle(Outcome::Refused);
        }
        if queue.abandoned.get() {
            return;
        }
        queue.late.notified().await;
    }
}
