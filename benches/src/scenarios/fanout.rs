//! One message to many sockets of a room.

use std::time::Duration;

use super::{Setting, book_deliveries, book_latencies, cookies, gather::*, pace};
use crate::{
    error::Error,
    load::{Generator, ledger::Ledger},
    report::samples::Samples,
    system::{
        account::Meter,
        seed::{ROOM, Seed},
    },
};

/// Sockets that are outside the room: what they get is surplus.
const BYSTANDERS: u64 = 10;
/// Sockets that send while the server is saturated; several, so that no single sender's round trips are the limit.
const SPEAKERS: u32 = 8;
/// Messages under way while the server is saturated: one per speaker. With more of them a server that merges deliveries
/// looks as good as one likes.
const WINDOW: u64 = 8;
/// Deliveries per second at the fixed rate.
const RATE: u64 = 10_000;

/// To 200 sockets, then to 1,000.
pub fn run(setting: &Setting<'_>, samples: &mut Samples) -> Result<(), Error> {
    for size in [200, 1_000] {
        to(setting, samples, size)?;
    }
    Ok(())
}

fn to(setting: &Setting<'_>, samples: &mut Samples, size: u64) -> Result<(), Error> {
    let seed = Seed { users: size + BYSTANDERS, members: size, ..Seed::default() };
    let (server, mut generator) = setting.start(seed)?;
    let sockets = generator.open_all(server.address, cookies(1, size + BYSTANDERS))?;
    let members = sockets[..size as usize].to_vec();
    let group = Group { room: ROOM.into(), speaker: members[0], user: 1, members };
    gather(&mut generator, &[group])?;

    let inside = |socket: &usize| (*socket < size as usize).then_some(0);
    let mut ledger = Ledger::new(1, sockets.iter().map(inside));
    let measured = |generator: &mut Generator, ledger: &mut Ledger, load: &Load| {
        load(generator, ledger, setting.profile.warm_up)?;
        ledger.forget_latencies();
        let before = ledger.delivered();
        let meter = Meter::start(&[server.pid()], setting.redis_pid())?;
        load(generator, ledger, setting.profile.measure)?;
        Ok::<_, Error>((meter.stop()?, ledger.delivered() - before))
    };

    let interval = Duration::from_secs(1) * size as u32 / RATE as u32;
    let (usage, delivered) = measured(&mut generator, &mut ledger, &|generator, ledger, time| {
        pace::at_rate(generator, ledger, interval, time, |generator, ledger| {
            speak(generator, ledger, 0);
        })
    })?;
    let name = format!("fanout-{size}.fixed");
    samples.put(format!("{name}.cpu"), usage.micros_per(delivered));
    book_latencies(samples, &name, &mut ledger);
    book_deliveries(samples, &name, &ledger, &usage);

    let already_lost = ledger.due() - ledger.delivered();
    let (usage, delivered) = measured(&mut generator, &mut ledger, &|generator, ledger, time| {
        pace::saturated(generator, ledger, time, |generator, ledger| {
            while ledger.due() < ledger.delivered() + already_lost + WINDOW * size {
                speak(generator, ledger, ledger.sent(0) % SPEAKERS);
            }
        })
    })?;
    let name = format!("fanout-{size}.saturated");
    samples.put(format!("{name}.cpu"), usage.micros_per(delivered));
    samples.put(format!("{name}.rate"), usage.rate(delivered) / 1e3);
    book_latencies(samples, &name, &mut ledger);
    book_deliveries(samples, &name, &ledger, &usage);
    samples.put(format!("{name}.ended"), generator.ended() as f64);
    Ok(())
}

type Load<'a> = dyn Fn(&mut Generator, &mut Ledger, Duration) -> Result<(), Error> + 'a;

fn speak(generator: &mut Generator, ledger: &mut Ledger, speaker: u32) {
    let mark = ledger.issue(0, generator.clock().micros());
    generator.say(speaker as usize, &mark.event(ROOM, u64::from(speaker) + 1));
}
