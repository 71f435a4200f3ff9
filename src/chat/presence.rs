//! Who is here, by the sockets of each user: somebody comes with the first and leaves with the last.

use std::collections::HashMap;

/// The sockets of each user on this server.
#[derive(Debug, Default)]
pub struct Presence {
    sockets: HashMap<String, usize>,
}

impl Presence {
    /// A socket of a user came. True if it is their first.
    pub fn came(&mut self, user: &str) -> bool {
        let sockets = self.sockets.entry(user.to_owned()).or_default();
        *sockets += 1;
        *sockets == 1
    }

    /// A socket of a user left. True if it was their last.
    pub fn left(&mut self, user: &str) -> bool {
        match self.sockets.get_mut(user) {
            Some(sockets) if *sockets > 1 => {
                *sockets -= 1;
                false
            }
            Some(_) => self.sockets.remove(user).is_some(),
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Presence;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_first_comes_and_the_last_leaves(steps in prop::collection::vec(0..3usize, 0..60)) {
            // Each step opens a socket of a user, or closes one of those that are open.
            let (mut presence, mut open) = (Presence::default(), [0usize; 3]);
            for (turn, user) in steps.into_iter().enumerate() {
                if turn % 3 == 2 && open[user] > 0 {
                    open[user] -= 1;
                    prop_assert_eq!(presence.left(&user.to_string()), open[user] == 0);
                } else {
                    open[user] += 1;
                    prop_assert_eq!(presence.came(&user.to_string()), open[user] == 1);
                }
            }
            let here = open.iter().filter(|sockets| **sockets > 0).count();
            prop_assert_eq!(presence.sockets.len(), here);
        }
    }

    #[test]
    fn who_is_not_here_can_not_leave() {
        assert!(!Presence::default().left("1"));
    }
}
