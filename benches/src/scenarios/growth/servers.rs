//! From 1 to 4 servers on one Redis, with 100 sockets of a room on each.

use std::time::Duration;

use super::super::{Setting, book_deliveries, cookies, gather::*, pace};
use crate::{
    error::Error,
    load::ledger::Ledger,
    report::samples::Samples,
    system::{
        account::Meter,
        seed::{ROOM, Seed},
    },
};

const SOCKETS: u64 = 100;
/// Between two messages.
const INTERVAL: Duration = Duration::from_millis(20);

pub(super) fn run(setting: &Setting<'_>, samples: &mut Samples, size: u64) -> Result<(), Error> {
    let users = SOCKETS * size;
    let (first, mut generator) =
        setting.start(Seed { users, members: users, ..Seed::default() })?;
    let mut servers = vec![first];
    for number in 1..size {
        servers.push(setting.programs.start(setting.target, setting.redis, number as usize)?);
    }
    let mut members = Vec::new();
    for (server, from) in servers.iter().zip((0..users).step_by(SOCKETS as usize)) {
        let cookies = cookies(from + 1, from + SOCKETS);
        members.extend(generator.open_all(server.address, cookies)?);
    }
    let group = Group { room: ROOM.into(), speaker: members[0], user: 1, members };
    gather(&mut generator, &[group])?;

    let mut ledger = Ledger::new(1, (0..users).map(|_| Some(0)));
    let mut load = |ledger: &mut Ledger, time| {
        pace::at_rate(&mut generator, ledger, INTERVAL, time, |generator, ledger| {
            let mark = ledger.issue(0, generator.clock().micros());
            generator.say(0, &mark.event(ROOM, 1));
        })
    };
    load(&mut ledger, setting.profile.warm_up)?;
    let (delivered, sent) = (ledger.delivered(), ledger.sent(0));
    let pids: Vec<u32> = servers.iter().map(|server| server.pid()).collect();
    let meter = Meter::start(&pids, setting.redis_pid())?;
    load(&mut ledger, setting.profile.measure)?;
    let usage = meter.stop()?;
    samples.put("servers.delivery", usage.micros_per(ledger.delivered() - delivered));
    samples.put("servers.redis", usage.redis_micros_per(u64::from(ledger.sent(0) - sent)));
    book_deliveries(samples, "servers", &ledger, &usage);
    Ok(())
}
