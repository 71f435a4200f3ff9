//! Many connects at once, as after a restart of the server or of a proxy.

use std::time::Duration;

use super::{Setting, cookies};
use crate::{
    error::Error,
    load::Generator,
    report::samples::Samples,
    system::{
        account::Meter,
        seed::{Seed, cookie},
        servers::Running,
    },
};

const SIZE: u64 = 300;
const PAUSE: Duration = Duration::from_millis(100);

/// Anonymous sockets, sockets with a session, and those that begin with polling.
///
/// With a session each connect is announced to all that are there already; that is part of the storm.
pub fn run(setting: &Setting<'_>, samples: &mut Samples) -> Result<(), Error> {
    let seed = Seed { users: SIZE, ..Seed::default() };
    let (server, mut generator) = setting.start(seed)?;

    // The first connects of a process pay for what only it needs.
    let first = generator.open_all(server.address, (0..SIZE).map(|_| None))?;
    leave(&mut generator, first)?;

    let anonymous = || (0..SIZE).map(|_| None);
    let sockets = storm(setting, samples, "storm.anonymous", &server, &mut generator, anonymous())?;
    leave(&mut generator, sockets)?;
    let with_session = cookies(1, SIZE);
    let sockets = storm(setting, samples, "storm.session", &server, &mut generator, with_session)?;
    leave(&mut generator, sockets)?;

    let meter = Meter::start(&[server.pid()], setting.redis_pid())?;
    for user in 1..=SIZE {
        generator.open_upgrading(server.address, cookie(user))?;
    }
    generator.until("sockets to upgrade", |generator| generator.upgraded() == SIZE as usize)?;
    book(samples, "storm.upgrade", &meter, &mut generator)
}

fn storm(
    setting: &Setting<'_>,
    samples: &mut Samples,
    name: &str,
    server: &Running,
    generator: &mut Generator,
    cookies: impl Iterator<Item = Option<String>>,
) -> Result<Vec<usize>, Error> {
    let goal = generator.joined() + SIZE as usize;
    let meter = Meter::start(&[server.pid()], setting.redis_pid())?;
    let sockets = cookies
        .map(|cookie| generator.open(server.address, cookie.as_deref()))
        .collect::<Result<Vec<_>, _>>()?;
    generator.until("sockets to join", |generator| generator.joined() >= goal)?;
    book(samples, name, &meter, generator)?;
    Ok(sockets)
}

fn book(
    samples: &mut Samples,
    name: &str,
    meter: &Meter,
    generator: &mut Generator,
) -> Result<(), Error> {
    let connected = meter.stop()?;
    // The announcements that are still on their way.
    generator.quiet(PAUSE)?;
    let usage = meter.stop()?;
    samples.put(format!("{name}.cpu"), usage.micros_per(SIZE) / 1e3);
    samples.put(format!("{name}.wall"), connected.wall.as_secs_f64() * 1e3);
    samples.put(format!("{name}.generator"), connected.own_share());
    Ok(())
}

fn leave(generator: &mut Generator, sockets: Vec<usize>) -> Result<(), Error> {
    for socket in sockets {
        generator.close(socket);
    }
    generator.quiet(PAUSE)?;
    // Leaving is work of the server that nobody hears.
    std::thread::sleep(3 * PAUSE);
    Ok(())
}
