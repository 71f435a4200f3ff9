//! From 1 to 5,000 rooms of 10 sockets each.
//!
//! A hundred sockets in ten groups; a room belongs to one group. So a message is ten deliveries at every size, and only
//! the number of rooms grows.

use std::time::Duration;

use super::super::{Setting, book_deliveries, cookies, gather::*, pace};
use crate::{
    error::Error,
    load::{Generator, ledger::Ledger},
    report::samples::Samples,
    system::{
        account::{Meter, resident},
        seed::{GROUP, GROUPS, Seed, room_of},
    },
};

/// Messages per second.
const RATE: u32 = 1_000;
/// Deliveries under way while each room gets its first message.
const WINDOW: u64 = 640;
const PAUSE: Duration = Duration::from_millis(200);
const TURN: Duration = Duration::from_millis(20);
/// With fewer rooms what they take drowns in what a process takes anyhow.
const MANY: u64 = 5_000;

pub(super) fn run(setting: &Setting<'_>, samples: &mut Samples, size: u64) -> Result<(), Error> {
    let sockets = GROUPS * GROUP;
    let (server, mut generator) =
        setting.start(Seed { users: sockets, rooms: size, ..Seed::default() })?;
    samples.put("rooms.start", server.start_up.as_secs_f64() * 1e3);
    // So many sockets need memory of their own, and the server more than that for the first ones it has.
    let mut others = Generator::new()?;
    others.open_all(server.address, (0..sockets).map(|_| None))?;
    others.quiet(PAUSE)?;
    let before = resident(server.pid())?;
    generator.open_all(server.address, cookies(1, sockets))?;
    let first_rooms: Vec<Group> = (0..GROUPS.min(size)).map(group).collect();
    gather(&mut generator, &first_rooms)?;

    // With COMPAT=safe they are in all of them already.
    for room in GROUPS..size {
        for member in group(room).members {
            generator.say(member, &format!(r#"42["room.join","{}"]"#, room_of(room)));
        }
    }
    // A join has no answer; the first messages show whether all were heard.
    generator.turn(TURN, |_| {})?;
    std::thread::sleep(PAUSE);
    generator.quiet(PAUSE)?;

    if size >= MANY {
        let grown = resident(server.pid())?.saturating_sub(before);
        samples.put("rooms.membership", grown as f64 / ((size - GROUPS) * GROUP) as f64);
    }

    let stream = |socket: u64| Some((socket / GROUP) as u32);
    let mut ledger = Ledger::new(GROUPS as usize, (0..sockets).map(stream));
    for room in 0..size {
        speak(&mut generator, &mut ledger, room);
        while ledger.due() - ledger.delivered() > WINDOW {
            pace::book_turn(&mut generator, &mut ledger, TURN)?;
        }
    }
    pace::settle(&mut generator, &mut ledger)?;

    let mut next = 0;
    let mut load = |ledger: &mut Ledger, time| {
        let interval = Duration::from_secs(1) / RATE;
        pace::at_rate(&mut generator, ledger, interval, time, |generator, ledger| {
            next = (next + 1) % size;
            speak(generator, ledger, next);
        })
    };
    load(&mut ledger, setting.profile.warm_up)?;
    let delivered = ledger.delivered();
    let meter = Meter::start(&[server.pid()], None)?;
    load(&mut ledger, setting.profile.measure)?;
    let usage = meter.stop()?;
    samples.put("rooms.delivery", usage.micros_per(ledger.delivered() - delivered));
    book_deliveries(samples, "rooms", &ledger, &usage);
    Ok(())
}

/// The sockets of a room, whose first speaks.
fn group(room: u64) -> Group {
    let first = room % GROUPS * GROUP;
    let members: Vec<usize> = (first..first + GROUP).map(|socket| socket as usize).collect();
    Group { room: room_of(room), speaker: members[0], user: first + 1, members }
}

fn speak(generator: &mut Generator, ledger: &mut Ledger, room: u64) {
    let mark = ledger.issue((room % GROUPS) as u32, generator.clock().micros());
    let Group { room, speaker, user, .. } = group(room);
    generator.say(speaker, &mark.event(&room, user));
}
