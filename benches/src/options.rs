//! The command line, and how long things are measured.

use std::{path::PathBuf, time::Duration};

use clap::Parser;

/// Chat servers side by side: CPU per unit of work, lost and surplus deliveries, latency, memory.
#[derive(Debug, Parser)]
#[command(name = "chat-bench", max_term_width = 100)]
pub struct Options {
    /// One short round; ends within two minutes. The default.
    #[arg(long, conflicts_with = "full")]
    pub quick: bool,

    /// Three longer rounds, of which the medians count; ends within fifteen minutes.
    #[arg(long)]
    pub full: bool,

    /// Instead: how the figures of this repository's server (or of --servers) grow with sockets, rooms,
    /// stored messages and servers. Takes a few minutes.
    #[arg(long)]
    pub growth: bool,

    /// Rounds, of which the medians count. [default: 1, with --full 3]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub rounds: Option<u32>,

    /// Scenarios: fanout, direct, storm, memory, rest, presence, pair, login; with --growth
    /// sockets, rooms, stored, servers. [default: all]
    #[arg(long, value_delimiter = ',', value_name = "SCENARIO")]
    pub only: Vec<String>,

    /// Servers: rust, rust-embedded, node, socketioxide. [default: all that are there]
    #[arg(long, value_delimiter = ',', value_name = "SERVER")]
    pub servers: Vec<String>,

    /// One more server: its command line, with {port}, {redis} (host:port) and {client} (a folder of
    /// static files) filled in; PORT, REDIS_ENDPOINT_URL, CLIENT_DIR and SESSION_SECRET are set too.
    /// May be given more than once.
    #[arg(long, value_name = "COMMAND")]
    pub command: Vec<String>,

    /// This repository's server. [default: target/release/redis-chat-server]
    #[arg(long, value_name = "FILE")]
    pub server: Option<PathBuf>,

    /// COMPAT of this repository's server. [default: the server's own]
    #[arg(long, value_name = "DEGREE")]
    pub compat: Option<String>,

    /// Writes all figures as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,

    /// Puts the tables in the place of those in this Markdown file, between its two marks.
    #[arg(long, value_name = "FILE")]
    pub readme: Option<PathBuf>,

    /// Writes a chart.
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
}

/// How long and how many.
#[derive(Debug)]
pub struct Profile {
    /// Its name.
    pub name: &'static str,
    /// Rounds.
    pub rounds: u32,
    /// Load before a measurement: code gets hot, buffers grow.
    pub warm_up: Duration,
    /// A measurement of deliveries.
    pub measure: Duration,
    /// A measurement of an HTTP route.
    pub measure_rest: Duration,
    /// Users who come and go beside the others.
    pub visits: u64,
    /// Log-ins, and as many registrations.
    pub logins: usize,
}

impl Options {
    /// The profile that is asked for.
    pub fn profile(&self) -> Profile {
        let millis = Duration::from_millis;
        let profile = if self.full {
            Profile {
                name: "full",
                rounds: 3,
                warm_up: millis(500),
                measure: millis(3_000),
                measure_rest: millis(1_500),
                visits: 150,
                logins: 24,
            }
        } else {
            Profile {
                name: "quick",
                rounds: 1,
                warm_up: millis(200),
                measure: millis(1_000),
                measure_rest: millis(500),
                visits: 50,
                logins: 10,
            }
        };
        Profile { rounds: self.rounds.unwrap_or(profile.rounds), ..profile }
    }
}
