//! What is measured. A scenario starts its server afresh, so that none inherits another's memory or warmth.

mod direct;
mod fanout;
mod gather;
pub mod growth;
mod login;
mod memory;
mod pace;
mod pair;
mod presence;
mod rest;
mod storm;

use crate::{
    error::Error,
    load::{Generator, ledger::Ledger},
    options::Profile,
    report::samples::Samples,
    system::{
        account::Usage,
        redis::Redis,
        seed::{Seed, cookie},
        servers::{Programs, Running, Target},
    },
};

/// One family of measurements.
#[derive(Debug)]
pub struct Scenario {
    /// As `--only` names it.
    pub name: &'static str,
    /// Whether a server can be put through it.
    pub applies: fn(&Target) -> bool,
    /// Does it once.
    pub run: fn(&Setting<'_>, &mut Samples) -> Result<(), Error>,
}

/// All of them, in the order of the table.
pub const ALL: &[Scenario] = &[
    Scenario { name: "fanout", applies: everybody, run: fanout::run },
    Scenario { name: "direct", applies: everybody, run: direct::run },
    Scenario { name: "storm", applies: everybody, run: storm::run },
    Scenario { name: "memory", applies: everybody, run: memory::run },
    Scenario { name: "rest", applies: Target::has_rest, run: rest::run },
    Scenario { name: "presence", applies: everybody, run: presence::run },
    Scenario { name: "pair", applies: Target::uses_redis, run: pair::run },
    Scenario { name: "login", applies: Target::has_rest, run: login::run },
];

fn everybody(_: &Target) -> bool {
    true
}

/// What a scenario is given.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'a> {
    /// How to start servers.
    pub programs: &'a Programs,
    /// The Redis of the run.
    pub redis: &'a Redis,
    /// How long and how many.
    pub profile: &'a Profile,
    /// The server to measure.
    pub target: &'a Target,
}

impl Setting<'_> {
    /// Fills the store and starts the server, with a generator that has no connections yet.
    fn start(&self, seed: Seed) -> Result<(Running, Generator), Error> {
        seed.plant(&mut self.redis.connect()?)?;
        Ok((self.programs.start(self.target, self.redis, 0)?, Generator::new()?))
    }

    /// The Redis to measure, where the server uses it.
    fn redis_pid(&self) -> Option<u32> {
        self.target.uses_redis().then(|| self.redis.pid())
    }
}

/// The cookies of users `from` to `to`.
fn cookies(from: u64, to: u64) -> impl Iterator<Item = Option<String>> {
    (from..=to).map(|id| Some(cookie(id)))
}

/// What every scenario with deliveries tells besides its cost.
fn book_deliveries(samples: &mut Samples, name: &str, ledger: &Ledger, usage: &Usage) {
    samples.put(format!("{name}.lost"), ledger.due().saturating_sub(ledger.delivered()) as f64);
    samples.put(format!("{name}.surplus"), ledger.surplus() as f64);
    samples.put(format!("{name}.generator"), usage.own_share());
}

/// The latencies since the ledger was told to forget earlier ones.
fn book_latencies(samples: &mut Samples, name: &str, ledger: &mut Ledger) {
    let latencies = ledger.latencies();
    for (suffix, percent) in [("p50", 50.0), ("p99", 99.0), ("p999", 99.9), ("max", 100.0)] {
        if let Some(millis) = latencies.millis(percent) {
            samples.put(format!("{name}.{suffix}"), millis);
        }
    }
}
