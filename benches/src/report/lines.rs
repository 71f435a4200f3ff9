//! The lines of the table, with the budget of this repository's server.

/// How a figure has to be for the budget to hold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Budget {
    /// Not above.
    AtMost(f64),
    /// Not below.
    AtLeast(f64),
    /// None is set.
    None,
}

impl Budget {
    /// Whether `value` keeps it.
    pub fn holds(self, value: f64) -> bool {
        match self {
            Budget::AtMost(bound) => value <= bound,
            Budget::AtLeast(bound) => value >= bound,
            Budget::None => true,
        }
    }
}

/// A line of the table.
#[derive(Debug)]
pub struct Line {
    /// The figure's name.
    pub name: &'static str,
    /// What it is.
    pub label: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// Its budget.
    pub budget: Budget,
    /// Whether it is of Redis, which the embedded store has no part in.
    pub of_redis: bool,
}

const fn line(name: &'static str, label: &'static str, unit: &'static str, budget: Budget) -> Line {
    Line { name, label, unit, budget, of_redis: false }
}

const fn redis(name: &'static str, label: &'static str, budget: Budget) -> Line {
    Line { name, label, unit: "µs", budget, of_redis: true }
}

use Budget::{AtLeast, AtMost, None as Unset};

/// All lines, in order.
#[rustfmt::skip]
pub const LINES: &[Line] = &[
    line("fanout-200.fixed.cpu", "fan-out to 200, fixed rate: CPU per delivery", "µs", AtMost(6.0)),
    line("fanout-1000.fixed.cpu", "fan-out to 1,000, fixed rate: CPU per delivery", "µs", AtMost(6.0)),
    line("fanout-200.saturated.cpu", "fan-out to 200, saturated: CPU per delivery", "µs", AtMost(1.6)),
    line("fanout-1000.saturated.cpu", "fan-out to 1,000, saturated: CPU per delivery", "µs", AtMost(2.8)),
    line("fanout-200.saturated.rate", "fan-out to 200, saturated: thousand deliveries per second", "k/s", AtLeast(450.0)),
    line("fanout-1000.saturated.rate", "fan-out to 1,000, saturated: thousand deliveries per second", "k/s", AtLeast(300.0)),
    line("fanout-200.fixed.p50", "fan-out to 200, fixed rate: latency p50", "ms", Unset),
    line("fanout-200.fixed.p99", "fan-out to 200, fixed rate: latency p99", "ms", Unset),
    line("fanout-1000.fixed.p99", "fan-out to 1,000, fixed rate: latency p99", "ms", Unset),
    line("direct.fixed.cpu", "1:1 message, 500 per second: CPU", "µs", AtMost(65.0)),
    line("direct.saturated.cpu", "1:1 message, saturated: CPU", "µs", AtMost(20.0)),
    line("direct.saturated.rate", "1:1 messages, saturated: thousand per second", "k/s", AtLeast(38.0)),
    redis("direct.fixed.redis", "1:1 message, 500 per second: Redis CPU", AtMost(45.0)),
    redis("direct.saturated.redis", "1:1 message, saturated: Redis CPU", AtMost(8.0)),
    line("direct.fixed.p50", "1:1 message, 500 per second: latency p50", "ms", Unset),
    line("direct.fixed.p99", "1:1 message, 500 per second: latency p99", "ms", Unset),
    line("storm.anonymous.cpu", "connect, 300 at once, anonymous: CPU", "ms", AtMost(0.05)),
    line("storm.session.cpu", "connect, 300 at once, with session: CPU", "ms", AtMost(0.15)),
    line("storm.upgrade.cpu", "connect, 300 at once, polling then upgrade: CPU", "ms", AtMost(0.4)),
    line("memory.start", "resident memory at start", "MiB", AtMost(12.0)),
    line("memory.1000", "memory per idle WebSocket at 1,000", "KiB", Unset),
    line("memory.5000", "memory per idle WebSocket at 5,000", "KiB", AtMost(3.0)),
    line("rest.me.cpu", "GET /me: CPU", "µs", AtMost(20.0)),
    line("rest.messages.cpu", "GET of 15 messages: CPU", "µs", AtMost(25.0)),
    line("rest.file.cpu", "GET /index.html: CPU", "µs", AtMost(15.0)),
    line("rest.online.cpu", "GET /users/online, 200 online: CPU", "µs", AtMost(250.0)),
    line("presence.cpu", "presence beside 300 sockets: CPU per delivery", "µs", AtMost(6.5)),
    line("pair.cpu", "delivery on the other server of a pair: CPU", "µs", AtMost(6.5)),
    line("pair.p99", "delivery on the other server of a pair: latency p99", "ms", Unset),
    line("login.cpu", "log-in (bcrypt cost 10): CPU", "ms", AtMost(67.0)),
    line("register.cpu", "registration (bcrypt cost 10): CPU", "ms", AtMost(67.0)),
    line("login.me-p99", "/me beside log-ins: latency p99", "ms", AtMost(15.0)),
    line("register.me-p99", "/me beside registrations: latency p99", "ms", AtMost(15.0)),
];

/// Of these the generator's own share of a core is in the table too: where servers are saturated, it must not be what
/// limits them.
pub const SATURATED: &[(&str, &str)] = &[
    ("fanout-200.saturated", "fan-out to 200, saturated"),
    ("fanout-1000.saturated", "fan-out to 1,000, saturated"),
    ("direct.saturated", "1:1, saturated"),
    ("rest.me", "GET /me"),
    ("rest.file", "GET /index.html"),
];

/// From this share of one core on, in percent, the generator may be the limit.
pub const GENERATOR_LIMIT: f64 = 85.0;

/// What a bare TCP send took where the budget was set, in microseconds.
pub const BARE_SEND_OF_BUDGET: f64 = 5.0;
