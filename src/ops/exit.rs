//! The exit codes. Each means one thing, so that a supervisor can tell them apart.

use std::fmt;

/// Why the program ends with another code than 0.
#[derive(Debug)]
pub enum Failure {
    /// 2, as clap has it too: a setting that can't be used.
    Setting(String),
    /// 1: something on this machine is in the way, such as a port that is taken.
    Local(String),
    /// 3: Redis can't be reached or used at start.
    Store(String),
    /// 4: the drain took too long and this many held events were given up.
    GivenUp(usize),
}

/// 143: ended by a second signal, as the shell counts one that SIGTERM ended.
pub const SECOND_SIGNAL: i32 = 143;

impl Failure {
    /// The exit code.
    pub fn code(&self) -> i32 {
        match self {
            Failure::Local(_) => 1,
            Failure::Setting(_) => 2,
            Failure::Store(_) => 3,
            Failure::GivenUp(_) => 4,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Setting(why) | Failure::Local(why) | Failure::Store(why) => f.write_str(why),
            Failure::GivenUp(held) => {
                write!(f, "{held} held events were given up: the store did not take them in time")
            }
        }
    }
}
