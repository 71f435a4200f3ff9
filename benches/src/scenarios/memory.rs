//! Memory of sockets that are only there.

use std::time::Duration;

use super::Setting;
use crate::{
    error::Error,
    report::samples::Samples,
    system::{account::resident, seed::Seed},
};

const PAUSE: Duration = Duration::from_millis(300);

/// At the start, with 1,000 and with 5,000 sockets. They are anonymous, since the announcements of 5,000 users to each
/// other would be a load of their own.
pub fn run(setting: &Setting<'_>, samples: &mut Samples) -> Result<(), Error> {
    let (server, mut generator) = setting.start(Seed { users: 1, ..Seed::default() })?;
    std::thread::sleep(PAUSE);
    let at_start = resident(server.pid())?;
    samples.put("memory.start", at_start as f64 / f64::from(1 << 20));
    samples.put("memory.start-up", server.start_up.as_secs_f64() * 1e3);
    let mut open = 0;
    for size in [1_000, 5_000] {
        generator.open_all(server.address, (open..size).map(|_| None))?;
        open = size;
        generator.quiet(PAUSE)?;
        let grown = resident(server.pid())?.saturating_sub(at_start);
        samples.put(format!("memory.{size}"), grown as f64 / 1024.0 / f64::from(size));
    }
    samples.put("memory.ended", generator.ended() as f64);
    Ok(())
}
