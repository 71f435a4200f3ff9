//! What the rooms of users were when they were last asked for, so that what follows from a list can be asked for in
//! the same round trip as the list. A guess that is wrong costs a second one, and nothing else.

use std::{collections::HashMap, rc::Rc};

/// Bytes that the lists may take. Past them all are forgotten, and soon there again.
const MOST: usize = 4 << 20;
/// What one name takes besides its letters.
const NAME: usize = 40;

#[derive(Default)]
pub(super) struct Guesses {
    lists: HashMap<String, Rc<[String]>>,
    bytes: usize,
}

impl Guesses {
    /// The rooms of a user as of last time; none if they are not known.
    pub(super) fn of(&self, user: &str) -> Rc<[String]> {
        self.lists.get(user).cloned().unwrap_or_default()
    }

    /// Remembers the rooms of a user for the next time.
    pub(super) fn note(&mut self, user: &str, rooms: &[String]) {
        let size = |rooms: &[String]| {
            NAME + user.len() + rooms.iter().map(|room| NAME + room.len()).sum::<usize>()
        };
        if let Some(former) = self.lists.remove(user) {
            self.bytes -= size(&former);
        }
        let bytes = size(rooms);
        if rooms.is_empty() || bytes > MOST {
            return;
        }
        if self.bytes + bytes > MOST {
            *self = Self::default();
        }
        self.bytes += bytes;
        self.lists.insert(user.to_owned(), rooms.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|n| format!("{n}:10000000")).collect()
    }

    #[test]
    fn the_last_list_counts() {
        let mut guesses = Guesses::default();
        assert!(guesses.of("1").is_empty());
        for list in [names(2), names(3), names(1)] {
            guesses.note("1", &list);
            assert_eq!(*guesses.of("1"), *list);
        }
        guesses.note("1", &[]);
        assert!(guesses.of("1").is_empty());
        assert_eq!(guesses.bytes, 0);
    }

    #[test]
    fn memory_is_bounded_whatever_comes() {
        let mut guesses = Guesses::default();
        for user in 0..3000 {
            guesses.note(&user.to_string(), &names(100));
            assert!(guesses.bytes <= MOST);
            assert_eq!(guesses.of(&user.to_string()).len(), 100);
        }
        assert!(guesses.lists.len() < 1000);
        guesses.note("all", &names(1_000_000));
        assert!(guesses.of("all").is_empty());
    }
}
