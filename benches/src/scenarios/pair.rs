//! Two servers on one Redis: a message of one, delivered by the other.

use std::time::Duration;

use super::{Setting, book_deliveries, book_latencies, cookies, gather::*, pace};
use crate::{
    error::Error,
    load::ledger::Ledger,
    report::samples::Samples,
    system::{
        account::Meter,
        seed::{ROOM, Seed},
    },
};

const LISTENERS: u64 = 200;
const INTERVAL: Duration = Duration::from_millis(20);

/// 200 sockets of a room on one, the speaker on the other.
pub fn run(setting: &Setting<'_>, samples: &mut Samples) -> Result<(), Error> {
    let speaker = LISTENERS + 1;
    let (there, mut generator) =
        setting.start(Seed { users: speaker, members: speaker, ..Seed::default() })?;
    let here = setting.programs.start(setting.target, setting.redis, 1)?;
    let mut members = generator.open_all(there.address, cookies(1, LISTENERS))?;
    members.extend(generator.open_all(here.address, cookies(speaker, speaker))?);
    let at = members[LISTENERS as usize];
    let group = Group { room: ROOM.into(), speaker: at, user: speaker, members };
    gather(&mut generator, &[group])?;

    let mut ledger = Ledger::new(1, (0..speaker).map(|_| Some(0)));
    let mut load = |ledger: &mut Ledger, time| {
        pace::at_rate(&mut generator, ledger, INTERVAL, time, |generator, ledger| {
            let mark = ledger.issue(0, generator.clock().micros());
            generator.say(at, &mark.event(ROOM, speaker));
        })
    };
    load(&mut ledger, setting.profile.warm_up)?;
    ledger.forget_latencies();
    let before = ledger.delivered();
    let meter = Meter::start(&[there.pid()], setting.redis_pid())?;
    load(&mut ledger, setting.profile.measure)?;
    let usage = meter.stop()?;
    // One of the deliveries of each message is the speaker's own.
    let delivered = (ledger.delivered() - before) * LISTENERS / speaker;
    samples.put("pair.cpu", usage.micros_per(delivered));
    book_latencies(samples, "pair", &mut ledger);
    book_deliveries(samples, "pair", &ledger, &usage);
    Ok(())
}
