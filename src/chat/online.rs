//! Who is online, as those who are here were told: what changed while nothing was heard of other servers
//! is told later (`realtime.md` sections 8.2, 8.6 and 10.2).

use std::{
    collections::{HashMap, HashSet},
    rc::Rc,
};

use tokio::task::spawn_local;

use super::{
    Chat,
    policy::Audience,
    user::{User, id_of},
};
use crate::{
    contract::{
        envelope::{self, Foreign},
        events,
    },
    engine::Key,
    js::{Json, Object},
    socketio,
    store::{
        self, StoreError,
        commit::{Commit, Counted, Outcome},
    },
};

/// What was told, where there are other servers.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Ids of those who are online. `None` until they have been read for the first time.
    online: Option<HashSet<String>>,
    /// What was told while the set is being read, which may be older, and when.
    meanwhile: HashMap<String, (bool, u64)>,
    /// Users of whom changes are under way to the store, whose outcomes may tell more.
    counting: HashMap<String, Counting>,
    /// Number of readings under way.
    reading: usize,
    /// Counts what was told.
    now: u64,
    /// A reading will begin in a moment.
    due: bool,
}

#[derive(Debug, Default)]
struct Counting {
    changes: usize,
    /// Another server announced something of the user meanwhile: it may be newer than an outcome.
    is_overtaken: bool,
}

impl Told {
    fn note(&mut self, user: &str, online: bool) {
        if self.reading > 0 {
            self.now += 1;
            self.meanwhile.insert(user.to_owned(), (online, self.now));
        }
        match &mut self.online {
            Some(all) if online => {
                all.insert(user.to_owned());
            }
            Some(all) => {
                all.remove(user);
            }
            None => {}
        }
    }

    /// A change of a user is under way.
    pub(super) fn counts(&mut self, user: &str) {
        self.counting.entry(user.to_owned()).or_default().changes += 1;
    }

    /// The outcome of a change is there. Returns whether something that was heard meanwhile may be newer.
    pub(super) fn counted(&mut self, user: &str) -> bool {
        let Some(counting) = self.counting.get_mut(user) else { return false };
        counting.changes -= 1;
        let is_overtaken = counting.is_overtaken;
        if counting.changes == 0 {
            self.counting.remove(user);
        }
        is_overtaken
    }

    /// Compares with the set as it was read, no earlier than `since`; returns the ids that are in one of the two only.
    fn differences(&mut self, read: Vec<String>, since: u64) -> Vec<String> {
        let read: HashSet<String> = read.into_iter().collect();
        let Some(told) = &self.online else {
            // Nobody can have been told otherwise.
            let mut all = read;
            for (user, (online, _)) in self.meanwhile.iter().filter(|(_, (_, at))| *at > since) {
                if *online {
                    all.insert(user.clone());
                } else {
                    all.remove(user);
                }
            }
            self.online = Some(all);
            return Vec::new();
        };
        told.symmetric_difference(&read).cloned().collect()
    }

    /// Whether a user who was read to be on- or offline, no earlier than `since`, must be told of.
    fn is_news(&self, user: &str, online: bool, since: u64) -> bool {
        self.meanwhile.get(user).is_none_or(|(_, at)| *at <= since) && self.says(user, !online)
    }

    /// Whether the last that was told of a user is that they are on- or offline.
    fn says(&self, user: &str, online: bool) -> bool {
        self.online.as_ref().is_some_and(|all| all.contains(user) == online)
    }
}

impl Chat {
    /// Tells those who are here, but for one, that a user came or left.
    pub(super) fn show_presence(&self, except: Option<Key>, user: &str, online: bool, data: &[u8]) {
        if self.store.is_shared() {
            self.told.borrow_mut().note(user, online);
        }
        let event = if online { events::USER_CONNECTED } else { events::USER_DISCONNECTED };
        self.emit(&Audience::Everyone, except, &[socketio::event(event, data)]);
    }

    /// Whether several servers count, so that the store knows whether a coming or leaving is news.
    pub(super) fn counts_over_servers(&self) -> bool {
        self.own_leases().is_some()
    }

    /// Counts that a user came or left, and tells those who are here, but for one socket, if it is news. What
    /// Redis refuses is made good with the next beat of the lease.
    pub(super) fn count(self: &Rc<Self>, key: Option<Key>, user: &Rc<User>, change: Counted) {
        let online = matches!(change, Counted::Came { .. });
        let data = user.presence(online);
        let event = if online { events::USER_CONNECTED } else { events::USER_DISCONNECTED };
        let commit = Commit {
            counted: Some(change),
            publish: self.announcement(event, &data).into_iter().collect(),
            ..Commit::default()
        };
        self.told.borrow_mut().counts(&user.id);
        let user = user.clone();
        let then = move |chat: &Rc<Chat>, outcome| {
            let is_overtaken = chat.told.borrow_mut().counted(&user.id);
            match outcome {
                Outcome::Refused => chat.owe(user),
                Outcome::Done { online_changed: Some(true), .. } if !online && is_overtaken => {
                    // They may have come elsewhere since.
                    chat.look_who_is_online();
                }
                Outcome::Done { online_changed: Some(true), .. } => {
                    // Those who are here need not have been told that others took the user out.
                    if key.is_some() || !chat.told.borrow().says(&user.id, online) {
                        chat.show_presence(key, &user.id, online, &data);
                    }
                }
                Outcome::Done { online_changed: Some(false), .. } => chat.show_corrected(&user),
                Outcome::Done { online_changed: None, .. } => chat.look_who_is_online(),
            }
        };
        match key {
            Some(key) => self.commit(key, commit, then),
            None => {
                let chat = self.clone();
                self.store.commit(commit, Box::new(move |outcome| then(&chat, outcome)));
            }
        }
    }

    /// An announcement of another server, which was delivered, may be of a user.
    pub(super) fn heard_of_user(self: &Rc<Self>, foreign: &Foreign) {
        let online = match &*foreign.event {
            events::USER_CONNECTED => true,
            events::USER_DISCONNECTED => false,
            _ => return,
        };
        let Some(user) = id_of(&foreign.data) else { return };
        {
            let mut told = self.told.borrow_mut();
            told.note(&user, online);
            if let Some(counting) = told.counting.get_mut(&user) {
                counting.is_overtaken = true;
            }
        }
        if self.counts_over_servers() {
            let back = self.clients.borrow_mut().presence.heard(&foreign.server, &user, online);
            if let Some(user) = back {
                self.put_back(&user);
            }
        }
    }

    /// The id of the user, if a text is our own announcement that they came.
    pub(super) fn own_coming(&self, text: &[u8]) -> Option<String> {
        let mut start = envelope::encode(&self.server_id, events::USER_CONNECTED, b"");
        start.pop();
        let data = text.strip_prefix(&*start)?.strip_suffix(b"}")?;
        id_of(&Json::parse(std::str::from_utf8(data).ok()?).ok()?)
    }

    /// Our own announcement that a user came, where it stands among those of the others. It counts only if it was heard
    /// before it that they left.
    pub(super) fn heard_own(&self, user: &str) {
        let is_here = self.clients.borrow_mut().presence.announced(user);
        if let Some(user) = is_here {
            self.show_corrected(&user);
        }
    }

    /// Tells those who are here of a user who is here, too, if they were told otherwise and all others were not: our own
    /// announcement may be told before one that was published earlier.
    pub(super) fn show_corrected(&self, user: &User) {
        let is_sure = {
            let (told, presence) = (self.told.borrow(), &self.clients.borrow().presence);
            told.says(&user.id, false)
                && !told.counting.contains_key(&user.id)
                && presence.is_here(&user.id)
                && !presence.is_wronged(&user.id)
        };
        if is_sure {
            self.show_presence(None, &user.id, true, &user.presence(true));
        }
    }

    /// A server of ours has a user of whom was heard that they left, and nobody has corrected that before it says so.
    /// The first one that says so does.
    pub(super) fn still_here(self: &Rc<Self>, user: &str, server: &str) {
        let is_own = server == self.server_id;
        let due = self.clients.borrow_mut().presence.still_here(user, is_own);
        if let Some(user) = due {
            let publish = self.announcement(events::USER_CONNECTED, &user.presence(true));
            let publish = publish.into_iter().collect();
            self.store.commit(Commit { publish, ..Commit::default() }, Box::new(|_| {}));
            if !self.told.borrow().says(&user.id, true) {
                self.show_presence(None, &user.id, true, &user.presence(true));
            }
        }
    }

    /// Puts a user into the online set who is here. News only if somebody had taken them out.
    pub(super) fn put_back(self: &Rc<Self>, user: &Rc<User>) {
        let change = self.clients.borrow().presence.coming(user, false);
        self.count(None, user, change);
    }

    /// A message of a user has found that somebody had taken them out of the online set.
    pub(super) fn is_missing(self: &Rc<Self>, user: &str) {
        let here = self.clients.borrow().presence.user_here(user);
        if let Some(user) = here {
            // So a page that was loaded meanwhile has read it.
            self.told.borrow_mut().note(&user.id, false);
            self.put_back(&user);
        }
    }

    /// Soon tells those who are here what they were not told.
    pub(super) fn look_who_is_online(self: &Rc<Self>) {
        if std::mem::replace(&mut self.told.borrow_mut().due, true) {
            return;
        }
        let chat = self.clone();
        spawn_local(async move {
            chat.told.borrow_mut().due = false;
            while let Err(why) = chat.show_who_is_online().await {
                match why {
                    StoreError::Unavailable(_) => chat.store.until_up().await,
                    StoreError::Refused(why) => {
                        return tracing::error!(why, "who is online can't be read");
                    }
                }
            }
        });
    }

    /// Reads who is online, and tells those who are here what they were not told. A user of this server is not
    /// gone, but was taken out while it was away: they are put back.
    pub(super) async fn show_who_is_online(self: &Rc<Self>) -> store::Result<()> {
        let since = {
            let mut told = self.told.borrow_mut();
            told.reading += 1;
            told.now
        };
        let changed = self.read_who_is_online(since).await;
        let mut news = Vec::new();
        {
            let mut told = self.told.borrow_mut();
            if let Ok(changed) = &changed {
                news.extend(
                    changed.iter().filter(|(id, user)| told.is_news(id, user.online, since)),
                );
            }
            told.reading -= 1;
            if told.reading == 0 {
                told.meanwhile.clear();
            }
        }
        for (id, user) in news {
            if !user.online && self.counts_over_servers() {
                let here = self.clients.borrow().presence.user_here(id);
                if let Some(here) = here {
                    self.put_back(&here);
                    continue;
                }
            }
            self.show_presence(None, id, user.online, &data_of(id, user, user.online));
        }
        changed.map(|_| ())
    }

    /// Those of whom something else was told than what is read.
    async fn read_who_is_online(&self, since: u64) -> store::Result<Vec<(String, store::User)>> {
        let Some(leases) = self.store.leases() else { return Ok(Vec::new()) };
        let read = if self.counts_over_servers() {
            let (servers, read) = leases.census().await?;
            // One may have begun unheard: what it announces is not to be taken for that of a server that does not count.
            servers.iter().for_each(|server| self.clients.borrow_mut().presence.counts(server));
            read
        } else {
            leases.online().await?
        };
        let ids = self.told.borrow_mut().differences(read, since);
        let users = self.store.users(&ids).await?;
        Ok(ids.into_iter().zip(users).filter_map(|(id, user)| Some((id, user?))).collect())
    }
}

/// The data of an announcement of a user whose session is not known.
pub fn data_of(id: &str, user: &store::User, online: bool) -> Vec<u8> {
    let mut data = Object::default();
    data.insert("id", Json::from(id));
    if let Some(name) = &user.username {
        data.insert("username", Json::from(name.as_str()));
    }
    data.insert("online", Json::Bool(online));
    Json::Obj(data).to_text().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_minds_only_what_was_told_since_it_began() {
        let mut told =
            Told { online: Some(HashSet::from(["1".to_owned()])), reading: 1, ..Told::default() };
        let earlier = told.now;
        told.note("1", false);
        told.reading += 1;
        let later = told.now;
        let read = || vec!["1".to_owned()];
        assert_eq!(told.differences(read(), earlier), ["1"]);
        assert!(!told.is_news("1", true, earlier));
        assert_eq!(told.differences(read(), later), ["1"]);
        assert!(told.is_news("1", true, later));
    }
}
