//! Ordered writes of the realtime side: stored and announced together, exactly once.

/// One write with its announcements. Either all of it happens or nothing does, once, in the order
/// in which commits were made; also when the link to the store is cut in the middle.
#[derive(Debug, Default)]
pub struct Commit {
    /// User ids that are put into the online set. In a file's store the set lives as long as the
    /// process.
    pub online: Vec<String>,
    /// A user id that is taken out of the online set.
    pub offline: Option<String>,
    /// A user id that is looked for in the online set, in a store with leases: only what is counted changes the
    /// set there, since that is announced.
    pub looked_for: Option<String>,
    /// A user who comes or leaves, in a store with leases. Then `publish` is announced only if that
    /// changes the online set.
    pub counted: Option<Counted>,
    /// A message that is stored.
    pub message: Option<StoredMessage>,
    /// Envelopes for the other instances, in order, published after the writes. A store in a file
    /// serves one process, so there they go nowhere.
    pub publish: Vec<Vec<u8>>,
}

/// A user who comes to this server or leaves it, which holds a lease (`store::redis::leases`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Counted {
    /// A socket of theirs came.
    Came {
        /// The user's id.
        user: String,
        /// The data that is announced if this server is killed.
        farewell: Vec<u8>,
        /// It is their only one, as far as this server knows: it is news also if a dead server of the
        /// original has left the user in the set.
        is_first: bool,
        /// The last that was announced is that they left, by a server without a lease: if they are in the set all
        /// the same, servers of ours are told that they are still here.
        corrects: bool,
    },
    /// Their last socket left.
    Left {
        /// The user's id.
        user: String,
        /// They stay, since a server without a lease has them.
        elsewhere: bool,
    },
}

/// A message on its way into a room.
#[derive(Debug)]
pub struct StoredMessage {
    /// The room's id.
    pub room: String,
    /// Text of the score, checked to be one.
    pub score: String,
    /// The message's JSON.
    pub member: Vec<u8>,
}

impl Commit {
    /// Bytes that the commit holds while it waits.
    pub fn size(&self) -> usize {
        let message =
            self.message.as_ref().map_or(0, |m| m.room.len() + m.score.len() + m.member.len());
        let ids = self
            .online
            .iter()
            .chain(&self.offline)
            .chain(&self.looked_for)
            .map(String::len)
            .sum::<usize>();
        let counted = match &self.counted {
            Some(Counted::Came { user, farewell, .. }) => user.len() + farewell.len(),
            Some(Counted::Left { user, .. }) => user.len(),
            None => 0,
        };
        message + ids + counted + self.publish.iter().map(Vec::len).sum::<usize>()
    }
}

/// What became of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Stored and announced. `room_was_new` if the message's room had neither a name nor messages
    /// before it. `online_changed` if users were put into the online set who were not in it, the
    /// change of a counted one was one, or one who was looked for is not in it any more.
    Done {
        /// Whether the message made its room.
        room_was_new: bool,
        /// Whether the online set was changed, by this or others; `None` if neither was asked, or it is not known.
        online_changed: Option<bool>,
    },
    /// The store refused: nothing was stored or announced, but that other servers have heard a message
    /// if its room is a key of another type by now. The reason is in the log.
    Refused,
}

/// Called once with the outcome of a commit, in the order of the commits.
pub type Then = Box<dyn FnOnce(Outcome)>;
