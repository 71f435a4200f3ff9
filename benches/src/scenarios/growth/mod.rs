//! Growth: the same measurement at more and more sockets, rooms, stored messages, servers. A curve should be flat, or
//! have a reason not to be.

mod rooms;
mod servers;
mod sockets;
mod stored;

use super::Setting;
use crate::{error::Error, report::samples::Samples, system::servers::Target};

/// One thing that grows, and what is measured at each size.
#[derive(Debug)]
pub struct Family {
    /// As `--only` names it.
    pub name: &'static str,
    /// What there is more and more of.
    pub of: &'static str,
    /// How many.
    pub sizes: &'static [u64],
    /// The figures.
    pub curves: &'static [Curve],
    /// Whether a server can be put through it, at a size.
    pub applies: fn(&Target, u64) -> bool,
    /// Measures at one size.
    pub run: fn(&Setting<'_>, &mut Samples, u64) -> Result<(), Error>,
}

/// One figure over the sizes.
#[derive(Debug)]
pub struct Curve {
    /// The figure's name.
    pub name: &'static str,
    /// What it is.
    pub label: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// Why it may grow; empty if it may not.
    pub reason: &'static str,
}

const fn curve(
    name: &'static str,
    label: &'static str,
    unit: &'static str,
    reason: &'static str,
) -> Curve {
    Curve { name, label, unit, reason }
}

/// All of them.
pub const ALL: &[Family] = &[
    Family {
        name: "sockets",
        of: "sockets",
        sizes: &[100, 300, 1_000, 3_000, 10_000],
        curves: &[
            curve("sockets.delivery", "CPU per delivery of a fan-out", "µs", ""),
            curve("sockets.connect", "CPU per anonymous connect", "µs", ""),
            curve("sockets.memory", "memory per idle WebSocket", "KiB", ""),
        ],
        applies: sockets::applies,
        run: sockets::run,
    },
    Family {
        name: "rooms",
        of: "rooms",
        sizes: &[1, 10, 100, 1_000, 5_000],
        curves: &[
            curve("rooms.start", "from the start to the first answer", "ms", ""),
            curve("rooms.delivery", "CPU per delivery, 10 sockets in each room", "µs", ""),
            curve("rooms.membership", "memory per socket and room", "bytes", ""),
        ],
        applies: |_, _| true,
        run: rooms::run,
    },
    Family {
        name: "stored",
        of: "stored messages",
        sizes: &[10, 1_000, 100_000, 1_000_000],
        curves: &[
            curve("stored.start", "from the start to the first answer", "ms", ""),
            curve(
                "stored.memory",
                "resident memory of the server",
                "MiB",
                "the embedded store's page caches, which are bounded",
            ),
            curve("stored.newest", "CPU per GET of the newest 15 messages", "µs", ""),
            curve(
                "stored.middle",
                "CPU per GET of 15 messages in the middle",
                "µs",
                "SQLite walks to the offset; readers begin with the newest",
            ),
            curve("stored.message", "CPU per message to the room", "µs", ""),
            curve("stored.redis", "Redis CPU per message to the room", "µs", ""),
        ],
        applies: |target, _| target.has_rest(),
        run: stored::run,
    },
    Family {
        name: "servers",
        of: "servers on one Redis",
        sizes: &[1, 2, 4],
        curves: &[
            curve("servers.delivery", "CPU per delivery, 100 sockets on each server", "µs", ""),
            curve(
                "servers.redis",
                "Redis CPU per message",
                "µs",
                "each server gets the announcement, so Redis sends one more copy per server",
            ),
        ],
        applies: |target, _| target.uses_redis(),
        run: servers::run,
    },
];
