//! The settings of what one client may use. `docs/OPERATIONS.md` has the reasons of the defaults.

use clap::Args;

use super::choices::Switch;

/// How much one client may use. Each default is one that 1,000 browsers behind one address don't meet.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Limits")]
pub struct LimitSettings {
    /// Whether the limits below hold. Only with COMPAT=safe: with COMPAT=exact none does, as on the
    /// original. Turn them off for measuring.
    #[arg(long, env = "LIMITS", default_value = "on")]
    pub limits: Switch,

    /// Attempts to sign in or register from one address in an hour, all of them at once if need be;
    /// past it a 429. Of IPv6 a /64 is one address here and below; behind a proxy name it in
    /// TRUSTED_PROXIES, or all its clients are one.
    #[arg(long, env = "LOGINS_PER_ADDRESS", default_value_t = 3_000, value_name = "COUNT",
        value_parser = count())]
    pub logins_per_address: u32,

    /// Attempts to register a new name from one address in an hour, all of them at once if need be;
    /// past it a 429.
    #[arg(long, env = "REGISTRATIONS_PER_ADDRESS", default_value_t = 2_000, value_name = "COUNT",
        value_parser = count())]
    pub registrations_per_address: u32,

    /// Wrong passwords for one name from one address in an hour, all of them at once if need be;
    /// past it a 429 for that name there.
    #[arg(long, env = "FAILED_LOGINS_PER_NAME_AND_ADDRESS", default_value_t = 60, value_name = "COUNT",
        value_parser = count())]
    pub failed_logins_per_name_and_address: u32,

    /// Wrong passwords for one name from all addresses in an hour; past it a 429 for that name, but
    /// not where it signed in within the last week.
    #[arg(long, env = "FAILED_LOGINS_PER_NAME", default_value_t = 1_000, value_name = "COUNT",
        value_parser = count())]
    pub failed_logins_per_name: u32,

    /// Sessions that are made in an hour for requests of one address that bring none; past it they
    /// are answered without a cookie. A log-in always makes one.
    #[arg(long, env = "SESSIONS_PER_ADDRESS", default_value_t = 10_000, value_name = "COUNT",
        value_parser = count())]
    pub sessions_per_address: u32,

    /// Sockets of one address that are open at once; past it a handshake gets a 429.
    #[arg(long, env = "SOCKETS_PER_ADDRESS", default_value_t = 10_000, value_name = "COUNT",
        value_parser = count())]
    pub sockets_per_address: u32,

    /// Sockets of one session that are open at once; past it a handshake gets a 429.
    #[arg(long, env = "SOCKETS_PER_SESSION", default_value_t = 2_000, value_name = "COUNT",
        value_parser = count())]
    pub sockets_per_session: u32,

    /// Events that one socket may send in a second, in the long run; past it and EVENTS_BURST it is
    /// closed, and a handshake of its session gets a 429 until a burst is allowed again.
    #[arg(long, env = "EVENTS_PER_SOCKET", default_value_t = 100, value_name = "COUNT",
        value_parser = count())]
    pub events_per_socket: u32,

    /// Events that one socket may send at once.
    #[arg(long, env = "EVENTS_BURST", default_value_t = 10_000, value_name = "COUNT",
        value_parser = count())]
    pub events_burst: u32,

    /// Longest name that can be registered, in bytes of UTF-8; a longer one gets a 400. Longer names
    /// that are registered already can sign in.
    #[arg(long, env = "NAME_BYTES", default_value_t = 512, value_name = "BYTES")]
    pub name_bytes: usize,

    /// Largest event, in bytes as it is sent; a larger message is refused.
    #[arg(long, env = "MESSAGE_BYTES", default_value_t = 512 << 10, value_name = "BYTES")]
    pub message_bytes: usize,
}

fn count() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=1_000_000_000)
}
