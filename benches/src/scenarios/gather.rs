//! Brings sockets into their rooms, and makes sure that they are there.

use std::time::{Duration, Instant};

use super::pace::listen;
use crate::{
    error::Error,
    load::{Arrival, Generator, generator::PATIENCE, mark::Mark},
};

/// The stream of the messages that only find out who is in.
const PROBE: u32 = 0xffff;
const AGAIN: Duration = Duration::from_millis(200);
const PAUSE: Duration = Duration::from_millis(150);

/// A room, its sockets, and a user of one of them.
#[derive(Debug)]
pub struct Group {
    /// The room's id.
    pub room: String,
    /// The sockets that are to be in it.
    pub members: Vec<usize>,
    /// The one that speaks.
    pub speaker: usize,
    /// Its user.
    pub user: u64,
}

/// Joins, and repeats it until a message of the speaker reaches everybody.
///
/// Joining has no answer, and the original loses events that come in the moment after the connect
/// (`realtime.md` section 8.3).
pub fn gather(generator: &mut Generator, groups: &[Group]) -> Result<(), Error> {
    // The announcements of the connects come first.
    generator.quiet(PAUSE)?;
    let highest = groups.iter().flat_map(|group| &group.members).max().map_or(0, |last| last + 1);
    let mut reached = vec![false; highest];
    let mut missing: usize = groups.iter().map(|group| group.members.len()).sum();
    let deadline = Instant::now() + PATIENCE;
    while missing > 0 {
        if Instant::now() > deadline {
            return Err(Error::new(format!("{missing} sockets don't hear their room")));
        }
        for group in groups {
            let outside: Vec<_> =
                group.members.iter().filter(|member| !reached[**member]).collect();
            for member in &outside {
                generator.say(**member, &format!(r#"42["room.join","{}"]"#, group.room));
            }
        }
        // All joins are sent before the first message, but a server may take the sockets in another order.
        listen(generator, Duration::from_millis(20), |_| {})?;
        for group in groups {
            if group.members.iter().any(|member| !reached[*member]) {
                let mark = Mark { stream: PROBE, number: 0, sent: 0 };
                generator.say(group.speaker, &mark.event(&group.room, group.user));
            }
        }
        let again = Instant::now() + AGAIN;
        while missing > 0 && Instant::now() < again {
            generator.turn(Duration::from_millis(20), |arrival| {
                let Arrival::Packet(socket, packet) = arrival else { return };
                let is_probe = Mark::find(packet).is_some_and(|mark| mark.stream == PROBE);
                if is_probe && socket < reached.len() && !reached[socket] {
                    reached[socket] = true;
                    missing -= 1;
                }
            })?;
        }
    }
    // What is still on its way must not be counted later.
    generator.quiet(PAUSE)
}
