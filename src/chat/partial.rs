//! Binary events whose attachments are still coming (`realtime.md` section 7.7).

use std::{rc::Rc, sync::Arc};

use super::{Chat, Identity, State, dispatch::MAIN};
use crate::{
    engine::{Key, Malformed, session::End, unfinished::Share},
    js::Json,
    socketio::packet::{self, Event, Packet},
};

/// What has come of one.
pub(super) struct PartialEvent {
    /// The packet, to be read again when the rest is there: in memory as JSON it would take ten times as much. `None`
    /// if the event has no effect; its attachments are due all the same.
    text: Option<String>,
    missing: usize,
    attachments: Vec<Option<Arc<[u8]>>>,
    bytes: usize,
    share: Share,
}

impl Chat {
    /// Takes a binary event without its attachments.
    pub(super) fn expect_attachments(&self, key: Key, event: &Event<'_>, text: &str) {
        let mut clients = self.clients.borrow_mut();
        let Some(client) = clients.by_key.get_mut(&key) else { return };
        let is_joined = event.namespace == MAIN && matches!(client.state, State::Joined(_));
        let has_effect = is_joined && matches!(client.identity, Identity::User(_));
        client.partial = None; // before the new one is counted
        let mut partial = PartialEvent {
            text: has_effect.then(|| text.to_owned()),
            missing: event.attachments,
            attachments: Vec::new(),
            bytes: 0,
            share: self.engine.unfinished(),
        };
        let fits = partial.count();
        client.partial = Some(partial);
        drop(clients);
        if !fits {
            self.close_unfinished(key);
        } else if is_joined && !has_effect {
            self.refuse_stranger(key, event.ack.filter(|_| self.policy.acknowledges()));
        }
    }

    /// Takes an attachment. After the last one the event is done.
    ///
    /// # Errors
    /// If none is due, they are too large together, or no placeholder of the event fits them.
    pub(super) fn attachment(self: &Rc<Self>, key: Key, data: &[u8]) -> Result<(), Malformed> {
        let complete = {
            let mut clients = self.clients.borrow_mut();
            let client = clients.by_key.get_mut(&key).ok_or(Malformed)?;
            let partial = client.partial.as_mut().ok_or(Malformed)?;
            // One event's attachments together may be as large as one message; also empty ones take
            // memory.
            partial.bytes += data.len().max(size_of::<Option<Arc<[u8]>>>());
            if partial.bytes > self.max_payload {
                return Err(Malformed);
            }
            if partial.text.is_some() {
                partial.attachments.push(Some(Arc::from(data)));
            }
            partial.missing -= 1;
            if partial.missing > 0 {
                let fits = partial.count();
                drop(clients);
                if !fits {
                    self.close_unfinished(key);
                }
                return Ok(());
            }
            client.partial.take()
        };
        let Some(PartialEvent { text: Some(text), mut attachments, bytes, .. }) = complete else {
            return Ok(());
        };
        let Packet::Event(event) = packet::parse(&text)? else { return Ok(()) };
        let Event { mut arguments, wants_ack, ack, .. } = event;
        let fill = |argument: &mut Json| packet::attach(argument, &mut attachments);
        arguments.iter_mut().try_for_each(fill)?;
        self.event(key, arguments, wants_ack, ack, text.len() + bytes);
        Ok(())
    }

    fn close_unfinished(&self, key: Key) {
        tracing::warn!(
            "UNFINISHED_BYTES is reached: who sends a binary event without its attachments is closed"
        );
        self.engine.end(key, End::Flooding);
    }
}

impl PartialEvent {
    /// Counts what it holds. False if that is too much, together with all that is not complete.
    fn count(&mut self) -> bool {
        let held = self.text.as_ref().map_or(0, |text| text.len() + self.bytes);
        self.share.set(held).is_ok()
    }
}
