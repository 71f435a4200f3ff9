//! Settings with a few values.

use clap::ValueEnum;

/// Where the data lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StoreKind {
    /// A Redis, shared with other instances of this server and of the original.
    Redis,
    /// A file of this server alone; nothing else is needed.
    Embedded,
}

/// The degree of compatibility.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Compat {
    /// As the original, weaknesses included: everybody signed in reads and writes every room.
    Exact,
    /// Private rooms are private, nobody speaks for another, and a lost connection loses nothing.
    /// The original's page and Node servers don't notice.
    Safe,
}

/// How the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Pretty on a terminal, plain text elsewhere.
    Auto,
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}

/// Whether something is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// It is.
    On,
    /// It is not.
    Off,
}
