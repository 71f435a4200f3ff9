//! HTTP routes, as many requests as the server takes.

use std::time::{Duration, Instant};

use super::{Setting, cookies};
use crate::{
    error::Error,
    load::{Arrival, Generator, http, ledger::Percentiles},
    report::samples::Samples,
    system::{
        account::{Meter, Usage},
        seed::{Seed, cookie},
        servers::Running,
    },
};

/// Keep-alive connections, each with one request under way.
const CONNECTIONS: usize = 16;
const ONLINE: u64 = 200;
const STORED: u64 = 100;
const TURN: Duration = Duration::from_millis(20);

/// `/me`, a page of messages, a file, and who is online.
pub fn run(setting: &Setting<'_>, samples: &mut Samples) -> Result<(), Error> {
    let seed = Seed { users: ONLINE, messages: STORED, ..Seed::default() };
    let (server, mut generator) = setting.start(seed)?;
    let connections: Vec<usize> = (0..CONNECTIONS)
        .map(|_| generator.connect_http(server.address))
        .collect::<Result<_, _>>()?;
    let cookie = cookie(1);
    let mut route = |name, path, expected: &str| {
        let cookie = Some(cookie.as_str());
        let asked = Asked { setting, server: &server, connections: &connections, path, expected };
        asked.measure(samples, &mut generator, name, cookie)
    };
    route("rest.me", "/me", "user1")?;
    route("rest.messages", "/room/0/messages?offset=0&size=15", "message 99")?;
    route("rest.file", "/index.html", "doctype")?;

    // Only live sockets are online on every store.
    generator.open_all(server.address, cookies(1, ONLINE))?;
    generator.quiet(Duration::from_millis(150))?;
    let path = "/users/online";
    let (setting, server, connections) = (setting, &server, &connections[..]);
    let asked = Asked { setting, server, connections, path, expected: "user200" };
    asked.measure(samples, &mut generator, "rest.online", Some(&cookie))
}

/// A route that is asked as often as the server answers.
pub(super) struct Asked<'a> {
    pub setting: &'a Setting<'a>,
    pub server: &'a Running,
    pub connections: &'a [usize],
    pub path: &'a str,
    /// Text that a right answer holds.
    pub expected: &'a str,
}

impl Asked<'_> {
    pub fn measure(
        &self,
        samples: &mut Samples,
        generator: &mut Generator,
        name: &str,
        cookie: Option<&str>,
    ) -> Result<(), Error> {
        let request = http::get(self.path, cookie);
        self.load(generator, &request, self.setting.profile.warm_up)?;
        let (answers, usage, times) =
            self.load(generator, &request, self.setting.profile.measure_rest)?;
        samples.put(format!("{name}.cpu"), usage.micros_per(answers));
        samples.put(format!("{name}.rate"), usage.rate(answers) / 1e3);
        samples.put(format!("{name}.generator"), usage.own_share());
        for (suffix, percent) in [("p50", 50.0), ("p99", 99.0)] {
            if let Some(millis) = times.millis(percent) {
                samples.put(format!("{name}.{suffix}"), millis);
            }
        }
        Ok(())
    }

    fn load(
        &self,
        generator: &mut Generator,
        request: &[u8],
        time: Duration,
    ) -> Result<(u64, Usage, Percentiles), Error> {
        let clock = generator.clock();
        let meter = Meter::start(&[self.server.pid()], self.setting.redis_pid())?;
        let end = Instant::now() + time;
        let mut asked_at = vec![0; self.connections.len()];
        let mut free: Vec<usize> = self.connections.to_vec();
        let (mut answers, mut times, mut wrong) = (0, Vec::new(), None);
        let mut under_way = 0;
        while under_way > 0 || Instant::now() < end {
            if Instant::now() < end {
                for connection in free.drain(..) {
                    asked_at[connection] = clock.micros();
                    generator.request(connection, request);
                    under_way += 1;
                }
            }
            generator.turn(TURN, |arrival| {
                let Arrival::Answer(connection, status, body) = arrival else { return };
                times.push((clock.micros() - asked_at[connection]) as u32);
                free.push(connection);
                answers += 1;
                under_way -= 1;
                // Looking into every body would make the generator dear.
                let is_looked_at = answers % 256 == 1;
                let holds = || memchr::memmem::find(body, self.expected.as_bytes()).is_some();
                if status != 200 || is_looked_at && !holds() {
                    wrong = Some(status);
                }
            })?;
            if let Some(status) = wrong {
                return Err(Error::new(format!("{} has a wrong answer ({status})", self.path)));
            }
            if generator.ended() > 0 {
                return Err(Error::new(format!("{}: the server closed a connection", self.path)));
            }
        }
        Ok((answers, meter.stop()?, Percentiles::of(times)))
    }
}
