//! Log-ins and registrations, which cost a bcrypt each, and `/me` beside them, which must not wait for it.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::Setting;
use crate::{
    error::Error,
    load::{Arrival, Generator, generator::PATIENCE, http, ledger::Percentiles},
    report::samples::Samples,
    system::{
        account::Meter,
        seed::{PASSWORD, Seed, cookie, username},
        servers::Running,
    },
};

/// Log-ins under way at the same time.
const AT_ONCE: usize = 4;
/// Connections that `/me` goes round on, so that one late answer does not delay the next request.
const BESIDE: usize = 16;
/// Between two requests of `/me`.
const INTERVAL: Duration = Duration::from_millis(20);

/// Log-ins, then registrations.
pub fn run(setting: &Setting<'_>, samples: &mut Samples) -> Result<(), Error> {
    let count = setting.profile.logins;
    let (server, mut generator) = setting.start(Seed { users: count as u64, ..Seed::default() })?;
    let beside: Vec<usize> =
        (0..BESIDE).map(|_| generator.connect_http(server.address)).collect::<Result<_, _>>()?;
    let users = |name: &dyn Fn(u64) -> String| -> Vec<Vec<u8>> {
        (1..=count as u64)
            .map(|id| {
                let body = format!(r#"{{"username":"{}","password":"{PASSWORD}"}}"#, name(id));
                http::post("/login", None, "application/json", &body)
            })
            .collect()
    };
    let logins = Work { setting, server: &server, beside: &beside, requests: users(&username) };
    logins.measure(samples, &mut generator, "login")?;
    let requests = users(&|id| format!("newcomer{id}"));
    Work { requests, ..logins }.measure(samples, &mut generator, "register")
}

struct Work<'a> {
    setting: &'a Setting<'a>,
    server: &'a Running,
    beside: &'a [usize],
    requests: Vec<Vec<u8>>,
}

impl Work<'_> {
    fn measure(
        &self,
        samples: &mut Samples,
        generator: &mut Generator,
        name: &str,
    ) -> Result<(), Error> {
        // Fresh ones: a server may have closed idle ones.
        let mut free: Vec<usize> = (0..AT_ONCE)
            .map(|_| generator.connect_http(self.server.address))
            .collect::<Result<_, _>>()?;
        let me = http::get("/me", Some(&cookie(1)));
        let clock = generator.clock();
        let meter = Meter::start(&[self.server.pid()], self.setting.redis_pid())?;
        let began = Instant::now();
        let (mut asked, mut answered, mut refused) = (0, 0, 0);
        let mut waiting = vec![VecDeque::new(); generator_width(self.beside)];
        let (mut next_me, mut turn, mut times) = (Duration::ZERO, 0, Vec::new());
        while answered < self.requests.len() || waiting.iter().any(|queue| !queue.is_empty()) {
            if began.elapsed() > PATIENCE {
                return Err(Error::new(format!("{name}: an answer did not come")));
            }
            while asked < self.requests.len()
                && let Some(connection) = free.pop()
            {
                generator.request(connection, &self.requests[asked]);
                asked += 1;
            }
            let now = began.elapsed();
            if now >= next_me && answered < self.requests.len() {
                let connection = self.beside[turn % self.beside.len()];
                waiting[connection].push_back(clock.micros());
                generator.request(connection, &me);
                turn += 1;
                next_me += INTERVAL;
            }
            let pause = next_me.saturating_sub(began.elapsed()).min(INTERVAL);
            generator.turn(pause, |arrival| {
                let Arrival::Answer(connection, status, _) = arrival else { return };
                refused += usize::from(status >= 400);
                match waiting.get_mut(connection) {
                    Some(queue) => {
                        let since = queue.pop_front().unwrap_or_else(|| clock.micros());
                        times.push((clock.micros() - since) as u32);
                    }
                    None => {
                        answered += 1;
                        free.push(connection);
                    }
                }
            })?;
        }
        let usage = meter.stop()?;
        if refused > 0 {
            return Err(Error::new(format!("{name}: {refused} requests were refused")));
        }
        let times = Percentiles::of(times);
        samples.put(format!("{name}.cpu"), usage.micros_per(answered as u64) / 1e3);
        samples.put(format!("{name}.rate"), usage.rate(answered as u64));
        for (suffix, percent) in [("me-p50", 50.0), ("me-p99", 99.0)] {
            if let Some(millis) = times.millis(percent) {
                samples.put(format!("{name}.{suffix}"), millis);
            }
        }
        Ok(())
    }
}

/// The numbers below this one are the connections of `/me`; they were made first.
fn generator_width(beside: &[usize]) -> usize {
    beside.iter().max().map_or(0, |last| last + 1)
}
