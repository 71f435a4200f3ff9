//! Messages between two users, with all that a message costs: checks, store, announcement.
//!
//! Both sides are in their room, as in the browser, so a message is two deliveries: its echo is one of them.

use std::time::Duration;

use super::{Setting, book_deliveries, book_latencies, cookies, gather::*, pace};
use crate::{
    error::Error,
    load::{Generator, ledger::Ledger},
    report::samples::Samples,
    system::{
        account::{Meter, Usage},
        seed::{Seed, pair_room},
    },
};

const PAIRS: u64 = 50;
/// Messages per second at the fixed rate, of all pairs together.
const RATE: u32 = 500;
/// Messages under way per pair while the server is saturated.
const WINDOW: u32 = 8;

/// At a fixed rate, then saturated.
pub fn run(setting: &Setting<'_>, samples: &mut Samples) -> Result<(), Error> {
    let seed = Seed { users: 2 * PAIRS, pairs: PAIRS, ..Seed::default() };
    let (server, mut generator) = setting.start(seed)?;
    let sockets = generator.open_all(server.address, cookies(1, 2 * PAIRS))?;
    let groups: Vec<Group> = (0..PAIRS)
        .map(|pair| {
            let members = vec![sockets[2 * pair as usize], sockets[2 * pair as usize + 1]];
            Group { room: pair_room(pair), speaker: members[0], user: 2 * pair + 1, members }
        })
        .collect();
    gather(&mut generator, &groups)?;

    let mut ledger = Ledger::new(PAIRS as usize, (0..2 * PAIRS).map(|at| Some(at as u32 / 2)));
    let speak = |generator: &mut Generator, ledger: &mut Ledger, pair: u32| {
        let mark = ledger.issue(pair, generator.clock().micros());
        let group = &groups[pair as usize];
        generator.say(group.speaker, &mark.event(&group.room, group.user));
    };

    let measure = setting.profile.measure;
    for (name, is_fixed) in [("direct.fixed", true), ("direct.saturated", false)] {
        let mut turn = 0;
        let mut load = |generator: &mut Generator, ledger: &mut Ledger, time: Duration| {
            if is_fixed {
                let interval = Duration::from_secs(1) / RATE;
                pace::at_rate(generator, ledger, interval, time, |generator, ledger| {
                    turn += 1;
                    speak(generator, ledger, turn % PAIRS as u32);
                })
            } else {
                pace::saturated(generator, ledger, time, |generator, ledger| {
                    for pair in 0..PAIRS as u32 {
                        let got = ledger.next(2 * pair as usize + 1);
                        for _ in ledger.sent(pair)..got + WINDOW {
                            speak(generator, ledger, pair);
                        }
                    }
                })
            }
        };
        load(&mut generator, &mut ledger, setting.profile.warm_up)?;
        ledger.forget_latencies();
        let before = ledger.due();
        let meter = Meter::start(&[server.pid()], setting.redis_pid())?;
        load(&mut generator, &mut ledger, measure)?;
        let usage = meter.stop()?;
        book(setting, samples, name, &usage, (ledger.due() - before) / 2);
        book_latencies(samples, name, &mut ledger);
        book_deliveries(samples, name, &ledger, &usage);
    }
    samples.put("direct.ended", generator.ended() as f64);
    Ok(())
}

fn book(setting: &Setting<'_>, samples: &mut Samples, name: &str, usage: &Usage, messages: u64) {
    samples.put(format!("{name}.cpu"), usage.micros_per(messages));
    samples.put(format!("{name}.rate"), usage.rate(messages) / 1e3);
    if setting.target.uses_redis() {
        samples.put(format!("{name}.redis"), usage.redis_micros_per(messages));
    }
}
