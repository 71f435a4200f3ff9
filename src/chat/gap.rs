//! A gap in the announcements of other instances is known, and filled from the store: whoever is
//! connected misses no message because of a lost link (`realtime.md` section 10.2).
//!
//! A gap begins at the last proof that the subscription lived, and ends when it stands again. What is
//! heard from then on waits in its order, while the rooms that somebody here is in are read. A message is delivered
//! now if it is dated within the gap, or up to `CATCHUP_SKEW` earlier or later since clocks differ, and was not taken in
//! before. What is dated ahead is remembered until a gap can't find it any more.
//!
//! Two things can't be known. Dates are those of the senders, so a message is missed whose sender's clock
//! is further behind or ahead; what is dated before this server's start counts as older than the gap. And equal messages
//! are stored once however often they were announced.

use std::{
    collections::{HashMap, HashSet},
    ops::RangeInclusive,
    rc::Rc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use tokio::task::spawn_local;

use super::{Chat, Identity, State, heard::Heard, message};
use crate::{
    bus::BusEvent,
    contract::{
        control::Control,
        envelope::{self, Foreign, Incoming},
        events,
    },
    js::{self, Json},
    store::{RoomRow, StoreError},
};

/// How long a lost subscription may go unnoticed, so that much more must be remembered.
const UNNOTICED: Duration = Duration::from_secs(10);
/// Rooms that are read in one round trip.
const ROOMS: usize = 100;
/// Messages of a room that are read in one round trip.
const PAGE: usize = 500;

/// What is heard of other instances, and whether it is whole.
pub(super) struct Hearing {
    heard: Heard,
    /// How far a sender's clock may be off.
    skew: Duration,
    gap: Option<Gap>,
    /// Counts the attempts to fill a gap.
    attempts: u64,
    filled: Filled,
}

/// What was delivered from the store, and may still be announced: the answer to a question may overtake
/// announcements on their way over the other connection.
#[derive(Default)]
struct Filled {
    counts: HashMap<String, u32>,
    /// No such announcement comes after this.
    until: Option<Instant>,
}

impl Filled {
    /// Whether this announcement is of a message that was delivered already; that is so once for each.
    fn take(&mut self, event: &str, data: &Json) -> bool {
        if self.counts.is_empty() || event != events::MESSAGE {
            return false;
        }
        if self.until.is_some_and(|until| until < Instant::now()) {
            *self = Filled::default();
            return false;
        }
        match self.counts.get_mut(&data.to_text()) {
            Some(count) if *count > 0 => *count -= 1,
            _ => return false,
        }
        true
    }
}

/// A gap that is not filled yet.
struct Gap {
    /// Seconds since 1970.
    since: f64,
    /// The attempt to fill it that counts; an earlier one gives up.
    attempt: u64,
    /// What came after it.
    waiting: Vec<Waiting>,
    waiting_bytes: usize,
}

/// What is heard while a gap is filled.
enum Waiting {
    Foreign(Foreign),
    /// Our own announcement that this user came.
    OwnComing(String),
    Control(Control),
}

impl Hearing {
    /// `skew`: how far a sender's clock may be off.
    pub(super) fn new(skew: Duration) -> Hearing {
        Hearing {
            heard: Heard::new(skew + UNNOTICED, Instant::now()),
            skew,
            gap: None,
            attempts: 0,
            filled: Filled::default(),
        }
    }

    /// Whether something may be missing, or waits.
    fn is_in_gap(&self) -> bool {
        self.gap.is_some()
    }

    /// Whether something that was heard waits.
    pub(super) fn is_behind(&self) -> bool {
        self.gap.as_ref().is_some_and(|gap| !gap.waiting.is_empty())
    }

    /// Remembers a message that is or will be delivered, by its text as it is stored, and its date.
    pub(super) fn note(&mut self, member: &[u8], date: f64) {
        let now = Instant::now();
        self.heard.note(member, date, now, seconds_at(now), self.gap.is_some());
    }
}

/// The date of a message, in seconds since 1970; 0 if it has none.
fn date_of(message: &Json) -> f64 {
    let Json::Obj(message) = message else { return 0.0 };
    let date = message.get("date").map(|date| js::to_js_string(date).to_lossy().into_owned());
    date.and_then(|date| js::redis_score(date.as_bytes())).unwrap_or_default()
}

/// What is remembered of a room that was shown.
fn shown(room: &str) -> Vec<u8> {
    [b"show.room ".as_slice(), room.as_bytes()].concat()
}

fn seconds_at(instant: Instant) -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.as_secs_f64() - instant.elapsed().as_secs_f64()
}

impl Chat {
    /// What the subscription to other instances tells.
    pub fn hear(self: &Rc<Self>, event: BusEvent<'_>) {
        match event {
            BusEvent::Message(text) => self.foreign(text),
            BusEvent::Control(text) => {
                let Some(control) = Control::decode(text, &self.server_id) else { return };
                if control.is_of_presence() && self.hearing.borrow().is_in_gap() {
                    // What it announced waits or is missed.
                    if let Control::LeaseEnded { server } = &control {
                        self.clients.borrow_mut().presence.counts(server);
                    }
                    self.wait(Waiting::Control(control), text.len());
                } else {
                    self.control(&control);
                }
            }
            BusEvent::Up => {
                let hearing = &mut *self.hearing.borrow_mut();
                let Some(gap) = &mut hearing.gap else {
                    tracing::info!("announcements of other servers are heard");
                    return self.look_who_is_online();
                };
                hearing.attempts += 1;
                gap.attempt = hearing.attempts;
                spawn_local(self.clone().fill(gap.attempt));
            }
            BusEvent::Down { complete_until } => {
                tracing::warn!("announcements of other servers are not heard");
                let hearing = &mut *self.hearing.borrow_mut();
                hearing.filled.until = None;
                let gap = &mut hearing.gap;
                // While one gap is filled the next one may begin: they become one.
                let gap = gap.get_or_insert_with(|| Gap {
                    since: seconds_at(complete_until),
                    attempt: 0,
                    waiting: Vec::new(),
                    waiting_bytes: 0,
                });
                // What was under way is outdated.
                hearing.attempts += 1;
                gap.attempt = hearing.attempts;
            }
        }
    }

    /// An announcement of another instance, or our own, which was delivered already (section 9.2).
    fn foreign(self: &Rc<Self>, text: &[u8]) {
        let is_in_gap = self.hearing.borrow().is_in_gap();
        let heard = match envelope::decode(text, &self.server_id) {
            // Each event of ours comes back: it is read only if it may matter.
            Incoming::Own => {
                if !is_in_gap && !self.clients.borrow().presence.is_anybody_wronged() {
                    return;
                }
                let Some(user) = self.own_coming(text) else { return };
                Waiting::OwnComing(user)
            }
            Incoming::Invalid(why) => {
                return tracing::warn!(why, "an announcement is ignored");
            }
            Incoming::Foreign(foreign) => Waiting::Foreign(foreign),
        };
        if is_in_gap {
            self.wait(heard, text.len());
        } else {
            self.take_in(&heard);
        }
    }

    /// Keeps what was heard until the gap before it is filled.
    fn wait(self: &Rc<Self>, heard: Waiting, bytes: usize) {
        let mut hearing = self.hearing.borrow_mut();
        let Some(gap) = &mut hearing.gap else { return };
        gap.waiting_bytes += bytes;
        gap.waiting.push(heard);
        if gap.waiting_bytes > self.held_bytes {
            drop(hearing);
            tracing::error!("too much is announced to fill a gap before it: the gap stays");
            self.close_gap();
        }
    }

    /// Hands an event of another instance to those who may hear it.
    fn deliver(&self, event: &str, data: &Json) {
        let text = data.to_text();
        match event {
            events::MESSAGE => self.hearing.borrow_mut().note(text.as_bytes(), date_of(data)),
            events::SHOW_ROOM => {
                if let Json::Obj(room) = data
                    && let Some(Json::Str(id)) = room.get("id")
                {
                    self.note_shown(&id.to_lossy());
                }
            }
            _ => {}
        }
        self.emit_foreign(event, data, text.as_bytes());
    }

    /// Remembers that a room was shown to those who are here.
    pub(super) fn note_shown(&self, room: &str) {
        self.hearing.borrow_mut().note(&shown(room), 0.0);
    }

    async fn fill(self: Rc<Self>, attempt: u64) {
        loop {
            match self.fill_once(attempt).await {
                Ok(()) => break,
                Err(Ended::Outdated) => return,
                Err(Ended::Store(StoreError::Unavailable(_))) => self.store.until_up().await,
                Err(Ended::Store(StoreError::Refused(why))) => {
                    if self.missing(attempt).is_err() {
                        return;
                    }
                    tracing::error!(why, "a gap in the announcements can't be filled");
                    return self.close_gap();
                }
            }
        }
        let messages: u32 = self.hearing.borrow().filled.counts.values().sum();
        tracing::info!(messages, "the gap in the announcements is filled");
        self.close_gap();
    }

    /// Ends the gap with what waited behind it.
    fn close_gap(self: &Rc<Self>) {
        let mut hearing = self.hearing.borrow_mut();
        let Some(gap) = hearing.gap.take() else { return };
        hearing.filled.until = Some(Instant::now() + UNNOTICED);
        drop(hearing);
        gap.waiting.iter().for_each(|heard| self.take_in(heard));
        // What waited may be older than what this server itself has told since.
        self.look_who_is_online();
    }

    fn take_in(self: &Rc<Self>, heard: &Waiting) {
        match heard {
            Waiting::Foreign(Foreign { event, data, .. })
                if self.hearing.borrow_mut().filled.take(event, data) => {}
            Waiting::Foreign(foreign) => {
                self.deliver(&foreign.event, &foreign.data);
                self.heard_of_user(foreign);
            }
            Waiting::OwnComing(user) => self.heard_own(user),
            Waiting::Control(control) => self.control(control),
        }
    }

    async fn fill_once(self: &Rc<Self>, attempt: u64) -> Result<(), Ended> {
        let missing = self.missing(attempt)?;
        // First, since who counts now may have ended when what it announced is taken in. If it is refused, that is told
        // when it is read again behind the gap.
        if let Err(why @ StoreError::Unavailable(_)) = self.show_who_is_online().await {
            return Err(why.into());
        }
        self.show_new_rooms(attempt, *missing.start()).await?;
        let mut rooms: Vec<(String, usize)> =
            self.clients.borrow().rooms.keys().map(|id| (id.to_lossy().into_owned(), 0)).collect();
        while !rooms.is_empty() {
            let some = rooms.split_off(rooms.len().saturating_sub(ROOMS));
            let pages = self.store.messages_dated(&some, &missing, PAGE).await?;
            self.missing(attempt)?;
            for ((room, skip), members) in some.into_iter().zip(pages) {
                let whole = members.len() < PAGE;
                for member in members {
                    self.deliver_if_missed(&member);
                }
                if !whole {
                    rooms.push((room, skip + PAGE));
                }
            }
        }
        self.missing(attempt).map(|_| ())
    }

    /// The dates of what may be missing, unless another attempt has begun.
    fn missing(&self, attempt: u64) -> Result<RangeInclusive<f64>, Ended> {
        let hearing = self.hearing.borrow();
        match &hearing.gap {
            Some(gap) if gap.attempt == attempt => {
                let skew = hearing.skew.as_secs_f64();
                let from = (gap.since - skew).max(seconds_at(hearing.heard.since));
                Ok(from..=seconds_at(Instant::now()) + skew)
            }
            _ => Err(Ended::Outdated),
        }
    }

    fn deliver_if_missed(&self, member: &[u8]) {
        if self.hearing.borrow().heard.knows(member) {
            return;
        }
        // Written by whomever: what is no message would harm its readers.
        let Ok(data @ Json::Obj(_)) = Json::parse(&String::from_utf8_lossy(member)) else { return };
        self.hearing.borrow_mut().note(member, date_of(&data));
        let text = data.to_text();
        self.emit_foreign(events::MESSAGE, &data, text.as_bytes());
        *self.hearing.borrow_mut().filled.counts.entry(text).or_default() += 1;
    }

    /// Rooms that got their first message in the gap, to those of their people who are here.
    async fn show_new_rooms(&self, attempt: u64, from: f64) -> Result<(), Ended> {
        let users: HashSet<String> = {
            let clients = self.clients.borrow();
            let here = clients.by_key.values().filter(|c| matches!(c.state, State::Joined(_)));
            here.filter_map(|client| match &client.identity {
                Identity::User(user) => Some(user.id.clone()),
                _ => None,
            })
            .collect()
        };
        let mut seen = HashMap::new();
        for user in users {
            for row in self.store.rooms_of(&user).await? {
                if let RoomRow::Private { id, names } = row
                    && !self.hearing.borrow().heard.knows(&shown(&id))
                {
                    seen.insert(id, names);
                }
            }
        }
        let ids: Vec<String> = seen.keys().cloned().collect();
        for some in ids.chunks(ROOMS) {
            let new = self.store.rooms_begun_after(some, from).await?;
            self.missing(attempt)?;
            for (id, _) in some.iter().zip(new).filter(|(_, new)| *new) {
                let show = message::show_room(id, &seen[id]);
                if let Ok(data) = Json::parse(&String::from_utf8_lossy(&show)) {
                    self.deliver(events::SHOW_ROOM, &data);
                }
            }
        }
        Ok(())
    }
}

/// Why an attempt to fill a gap ended early.
enum Ended {
    /// Another one has begun, or the gap is closed.
    Outdated,
    Store(StoreError),
}

impl From<StoreError> for Ended {
    fn from(why: StoreError) -> Ended {
        Ended::Store(why)
    }
}
