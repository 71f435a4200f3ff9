//! The settings of `rebuild-presence`.

use std::ffi::OsString;

use clap::Parser;

use super::{RedisSettings, sources};

/// Takes out of the online set whom no server of ours has: users that servers of the original left there
/// when they ended. Those servers must be stopped before; ours may run.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "redis-chat-server rebuild-presence",
    bin_name = "redis-chat-server rebuild-presence",
    max_term_width = 100,
    args_override_self = true
)]
pub struct Rebuild {
    /// The Redis.
    #[command(flatten)]
    pub redis: RedisSettings,

    /// Do it although somebody listens on that Redis who does not count, such as a server of the original or
    /// one with COMPAT=exact: those who are only there are shown as offline.
    #[arg(long)]
    pub force: bool,
}

impl Rebuild {
    /// Reads the settings of the command; `args` has the program's name and the command's first.
    pub(super) fn parse_from(args: Vec<OsString>, dotenv: &str) -> Result<Rebuild, clap::Error> {
        // The command stands for the program's name.
        sources::read(args.get(1..).unwrap_or_default().to_vec(), dotenv)
    }
}
