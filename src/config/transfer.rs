//! The settings of `export` and `import`.

use std::ffi::{OsStr, OsString};

use clap::{Args, Parser};

use super::{EmbeddedSettings, RedisSettings, sources};

/// Which way the data goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the file to Redis.
    Export,
    /// From Redis to the file.
    Import,
}

impl Direction {
    /// The direction that a command names.
    pub(super) fn named(command: &OsStr) -> Option<Direction> {
        match command.to_str()? {
            "export" => Some(Direction::Export),
            "import" => Some(Direction::Import),
            _ => None,
        }
    }
}

/// A move of data between the file of the embedded store and a Redis.
#[derive(Debug)]
pub struct Transfer {
    /// Which way.
    pub direction: Direction,
    /// Where from and to.
    pub ends: Ends,
}

/// The two ends of a move, and how it is done.
#[derive(Debug, Clone, Args)]
pub struct Ends {
    /// The file.
    #[command(flatten)]
    pub embedded: EmbeddedSettings,

    /// The Redis.
    #[command(flatten)]
    pub redis: RedisSettings,

    /// Replace what the target holds: in a Redis the keys total_users, online_users, username:*,
    /// user:*, room:* and sess:*. Without it a target that is not empty is left as it is.
    #[arg(long)]
    pub force: bool,

    /// The servers' secret, to tell which one the receiving servers need. Not changed.
    #[arg(long, env = "SESSION_SECRET", hide_env_values = true, value_name = "SECRET")]
    pub session_secret: Option<String>,
}

/// Copies users, rooms, messages and sessions of STORE=embedded into a Redis, in the layout of the
/// original. The server of the file must be stopped, and those of the Redis should be.
#[derive(Debug, Parser)]
#[command(
    name = "redis-chat-server export",
    bin_name = "redis-chat-server export",
    max_term_width = 100,
    args_override_self = true
)]
struct Export {
    #[command(flatten)]
    ends: Ends,
}

/// Copies users, rooms, messages and sessions of a Redis into the file of STORE=embedded. The
/// server of the file must be stopped, and those of the Redis should be.
#[derive(Debug, Parser)]
#[command(
    name = "redis-chat-server import",
    bin_name = "redis-chat-server import",
    max_term_width = 100,
    args_override_self = true
)]
struct Import {
    #[command(flatten)]
    ends: Ends,
}

impl Transfer {
    /// Reads the settings of a command; `args` has the program's name and the command's first.
    pub(super) fn parse_from(
        direction: Direction,
        args: Vec<OsString>,
        dotenv: &str,
    ) -> Result<Transfer, clap::Error> {
        // The command stands for the program's name.
        let args = args.get(1..).unwrap_or_default().to_vec();
        let ends = match direction {
            Direction::Export => sources::read::<Export>(args, dotenv)?.ends,
            Direction::Import => sources::read::<Import>(args, dotenv)?.ends,
        };
        Ok(Transfer { direction, ends })
    }
}
