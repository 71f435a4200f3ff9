//! From 10 to a million messages stored in one room.

use std::time::Duration;

use super::super::{Setting, book_deliveries, cookies, gather::*, pace, rest::Asked};
use crate::{
    error::Error,
    load::ledger::Ledger,
    report::samples::Samples,
    system::{
        account::{Meter, resident},
        seed::{Seed, cookie},
    },
};

const USERS: u64 = 2;
const CONNECTIONS: usize = 16;
/// Messages per second.
const RATE: u32 = 500;
/// The general room, which holds them.
const ROOM: &str = "0";

pub(super) fn run(setting: &Setting<'_>, samples: &mut Samples, size: u64) -> Result<(), Error> {
    let seed = Seed { users: USERS, messages: size, ..Seed::default() };
    let (server, mut generator) = setting.start(seed)?;
    samples.put("stored.start", server.start_up.as_secs_f64() * 1e3);

    let connections: Vec<usize> = (0..CONNECTIONS)
        .map(|_| generator.connect_http(server.address))
        .collect::<Result<_, _>>()?;
    let session = cookie(1);
    for (name, offset) in [("newest", 0), ("middle", size / 2)] {
        let path = &format!("/room/{ROOM}/messages?offset={offset}&size=15");
        let (server, connections) = (&server, &connections[..]);
        let asked = Asked { setting, server, connections, path, expected: "as long as" };
        let mut figures = Samples::default();
        asked.measure(&mut figures, &mut generator, name, Some(&session))?;
        let cpu = figures.median(&format!("{name}.cpu")).unwrap_or_default();
        samples.put(format!("stored.{name}"), cpu);
    }

    let members = generator.open_all(server.address, cookies(1, USERS))?;
    let group = Group { room: ROOM.into(), speaker: members[0], user: 1, members };
    gather(&mut generator, &[group])?;
    let mut ledger = Ledger::new(1, (0..USERS).map(|_| Some(0)));
    let mut load = |ledger: &mut Ledger, time| {
        let interval = Duration::from_secs(1) / RATE;
        pace::at_rate(&mut generator, ledger, interval, time, |generator, ledger| {
            let mark = ledger.issue(0, generator.clock().micros());
            generator.say(0, &mark.event(ROOM, 1));
        })
    };
    load(&mut ledger, setting.profile.warm_up)?;
    let before = ledger.sent(0);
    let meter = Meter::start(&[server.pid()], setting.redis_pid())?;
    load(&mut ledger, setting.profile.measure)?;
    let usage = meter.stop()?;
    let messages = u64::from(ledger.sent(0) - before);
    samples.put("stored.message", usage.micros_per(messages));
    if setting.target.uses_redis() {
        samples.put("stored.redis", usage.redis_micros_per(messages));
    }
    samples.put("stored.memory", resident(server.pid())? as f64 / f64::from(1 << 20));
    book_deliveries(samples, "stored", &ledger, &usage);
    Ok(())
}
