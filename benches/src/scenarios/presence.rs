//! Users who come and go beside 300 sockets, which hear of each.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::{Setting, cookies, pace::listen};
use crate::{
    error::Error,
    load::{Arrival, Generator},
    report::samples::Samples,
    system::{
        account::Meter,
        seed::{Seed, cookie},
    },
};

const LISTENERS: u64 = 300;
const VISITORS: u64 = 300;
/// Between two visitors' arrivals.
const INTERVAL: Duration = Duration::from_millis(20);
/// Visitors who are there at the same time.
const STAYING: usize = 10;
const LOST_AFTER: Duration = Duration::from_secs(4);

/// Connects and disconnects.
pub fn run(setting: &Setting<'_>, samples: &mut Samples) -> Result<(), Error> {
    let seed = Seed { users: LISTENERS + VISITORS, ..Seed::default() };
    let (server, mut generator) = setting.start(seed)?;
    generator.open_all(server.address, cookies(1, LISTENERS))?;
    generator.quiet(Duration::from_millis(150))?;

    // Per listener: how often somebody came and left.
    let mut heard = vec![[0; 2]; LISTENERS as usize];
    let visits = setting.profile.visits;
    let meter = Meter::start(&[server.pid()], setting.redis_pid())?;
    let mut staying = VecDeque::new();
    for visit in 0..visits {
        let user = LISTENERS + 1 + visit % VISITORS;
        staying.push_back(generator.open(server.address, Some(&cookie(user)))?);
        listen(&mut generator, INTERVAL, |arrival| note(&mut heard, &arrival))?;
        if staying.len() > STAYING {
            leave(&mut generator, &mut staying, &heard, visit + 1);
        }
    }
    // Until nothing comes any more; the wait adds no work.
    let goal = visits * LISTENERS * 2;
    let (mut seen, mut last) = (total(&heard), Instant::now());
    while seen < goal && last.elapsed() < LOST_AFTER {
        while leave(&mut generator, &mut staying, &heard, visits) {}
        listen(&mut generator, INTERVAL, |arrival| note(&mut heard, &arrival))?;
        let now = total(&heard);
        if now > seen {
            (seen, last) = (now, Instant::now());
        }
    }
    let usage = meter.stop()?;
    let each = heard.iter().flatten();
    let lost: u64 = each.clone().map(|count| visits.saturating_sub(*count)).sum();
    let surplus: u64 = each.map(|count| count.saturating_sub(visits)).sum();
    samples.put("presence.cpu", usage.micros_per(seen));
    samples.put("presence.lost", lost as f64);
    samples.put("presence.surplus", surplus as f64);
    samples.put("presence.generator", usage.own_share());
    Ok(())
}

/// Ends the visit that began first, if it was announced. Of `begun` visits those that are over are not in `staying`.
///
/// The original forgets a leave that comes before it has announced the connect (`realtime.md` section 8.6).
fn leave(
    generator: &mut Generator,
    staying: &mut VecDeque<usize>,
    heard: &[[u64; 2]],
    begun: u64,
) -> bool {
    let over = begun - staying.len() as u64;
    let is_announced = heard.iter().all(|[came, _]| *came > over);
    let leaves = if is_announced { staying.pop_front() } else { None };
    leaves.into_iter().for_each(|socket| generator.close(socket));
    leaves.is_some()
}

fn note(heard: &mut [[u64; 2]], arrival: &Arrival<'_>) {
    let Arrival::Packet(socket, packet) = arrival else { return };
    // Visitors hear each other too; they are not there all the time, so they don't count.
    let Some(counts) = heard.get_mut(*socket) else { return };
    counts[0] += u64::from(packet.starts_with(b"42[\"user.connected\""));
    counts[1] += u64::from(packet.starts_with(b"42[\"user.disconnected\""));
}

fn total(heard: &[[u64; 2]]) -> u64 {
    heard.iter().flatten().sum()
}
