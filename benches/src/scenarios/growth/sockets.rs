//! From 100 to 10,000 sockets.

use std::time::Duration;

use super::super::{Setting, book_deliveries, book_latencies, cookies, gather::*, pace};
use crate::{
    error::Error,
    load::ledger::Ledger,
    report::samples::Samples,
    system::{
        account::{Meter, resident},
        seed::{ROOM, Seed},
        servers::Target,
    },
};

/// Deliveries per second.
const RATE: u32 = 20_000;
const MESSAGES: u32 = 8;
const PAUSE: Duration = Duration::from_millis(300);
/// The connects of users are announced to all others: at 10,000 that is fifty million deliveries, which takes a server
/// without merging a quarter of an hour.
const MOST_WITHOUT_MERGING: u64 = 1_000;

pub(super) fn applies(target: &Target, size: u64) -> bool {
    target.is_ours() || size <= MOST_WITHOUT_MERGING
}

pub(super) fn run(setting: &Setting<'_>, samples: &mut Samples, size: u64) -> Result<(), Error> {
    idle(setting, samples, size)?;
    fan_out(setting, samples, size)
}

fn idle(setting: &Setting<'_>, samples: &mut Samples, size: u64) -> Result<(), Error> {
    let (server, mut generator) = setting.start(Seed { users: 1, ..Seed::default() })?;
    std::thread::sleep(PAUSE);
    let at_start = resident(server.pid())?;
    let meter = Meter::start(&[server.pid()], None)?;
    generator.open_all(server.address, (0..size).map(|_| None))?;
    samples.put("sockets.connect", meter.stop()?.micros_per(size));
    generator.quiet(PAUSE)?;
    let grown = resident(server.pid())?.saturating_sub(at_start);
    samples.put("sockets.memory", grown as f64 / 1024.0 / size as f64);
    Ok(())
}

fn fan_out(setting: &Setting<'_>, samples: &mut Samples, size: u64) -> Result<(), Error> {
    let seed = Seed { users: size, members: size, ..Seed::default() };
    let (server, mut generator) = setting.start(seed)?;
    let members = generator.open_all(server.address, cookies(1, size))?;
    let group = Group { room: ROOM.into(), speaker: members[0], user: 1, members };
    gather(&mut generator, &[group])?;
    let mut ledger = Ledger::new(1, (0..size).map(|_| Some(0)));
    let interval = Duration::from_secs(1) * size as u32 / RATE;
    let time = setting.profile.measure.max(interval * MESSAGES);
    let mut load = |ledger: &mut Ledger, time| {
        pace::at_rate(&mut generator, ledger, interval, time, |generator, ledger| {
            let mark = ledger.issue(0, generator.clock().micros());
            generator.say(0, &mark.event(ROOM, 1));
        })
    };
    load(&mut ledger, setting.profile.warm_up)?;
    ledger.forget_latencies();
    let before = ledger.delivered();
    let meter = Meter::start(&[server.pid()], None)?;
    load(&mut ledger, time)?;
    let usage = meter.stop()?;
    samples.put("sockets.delivery", usage.micros_per(ledger.delivered() - before));
    book_latencies(samples, "sockets", &mut ledger);
    book_deliveries(samples, "sockets", &ledger, &usage);
    Ok(())
}
