//! What the sender of an event is told, and what the log is told of those that are refused.

use std::rc::Rc;

use super::{Chat, user::User};
use crate::{engine::Key, socketio, tally::Tally};

/// Who sent an event, and where they wait for its outcome.
#[derive(Debug, Clone)]
pub(super) struct Sender {
    pub(super) key: Key,
    pub(super) user: Rc<User>,
    /// The number of the acknowledgement, if one was asked for and is given at all.
    pub(super) ack: Option<u64>,
}

/// Why an event has no effect, for its sender and the log. Never any of its content.
pub type Refusal = &'static str;

/// Counts what is refused.
#[derive(Debug, Default)]
pub(super) struct Refusals(Tally);

impl Refusals {
    /// Counts one, and logs the count unless that was done a moment ago: a client can send a lot.
    pub(super) fn note(&self, what: &str, why: Refusal) {
        match self.0.note() {
            Some(refused_so_far) => tracing::info!(what, why, refused_so_far, "refused"),
            None => tracing::debug!(what, why, "refused"),
        }
    }
}

impl Chat {
    /// Tells the sender that an event is done.
    pub(super) fn acknowledge(&self, sender: &Sender) {
        if let Some(ack) = sender.ack {
            self.engine.send(sender.key, &socketio::acknowledgement(ack, None));
        }
    }

    /// Counts an event that has no effect, and tells the sender.
    pub(super) fn refuse(&self, sender: &Sender, event: &str, why: Refusal) {
        self.refusals.note(event, why);
        self.answer_refused(sender.key, sender.ack, why);
    }

    pub(super) fn answer_refused(&self, key: Key, ack: Option<u64>, why: Refusal) {
        if let Some(ack) = ack {
            self.engine.send(key, &socketio::acknowledgement(ack, Some(why)));
        }
    }
}
