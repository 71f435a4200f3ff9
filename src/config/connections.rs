//! The settings of connections: what one may hold, and how long it may take.

use std::time::Duration;

use clap::Args;

use super::{choices::Switch, seconds};

/// What the connections of clients may hold, and how long they may take.
#[derive(Debug, Clone, Args)]
pub struct ConnectionSettings {
    /// Bytes that may wait for one slow reader before it is disconnected.
    #[arg(long, env = "QUEUE_BYTES", default_value_t = 16 << 20, value_name = "BYTES")]
    pub queue_bytes: usize,

    /// Packets that may wait for one slow reader before it is disconnected.
    #[arg(long, env = "QUEUE_PACKETS", default_value_t = 65_536, value_name = "COUNT")]
    pub queue_packets: usize,

    /// Seconds that a write to a reader may stand still before it is disconnected.
    #[arg(long, env = "STALL_TIMEOUT", default_value = "10", value_name = "SECONDS", value_parser = seconds)]
    pub stall_timeout: Duration,

    /// Whether the kernel's io_uring sends the packets of many sockets by one system call, where it may. Where
    /// it may not (many containers), each is sent by itself.
    #[arg(long, env = "IO_URING", default_value = "on")]
    pub io_uring: Switch,

    /// Seconds between the heartbeats of a connection.
    #[arg(long, env = "PING_INTERVAL", default_value = "25", value_name = "SECONDS", value_parser = seconds)]
    pub ping_interval: Duration,

    /// Seconds that a client has to answer a heartbeat.
    #[arg(long, env = "PING_TIMEOUT", default_value = "5", value_name = "SECONDS", value_parser = seconds)]
    pub ping_timeout: Duration,

    /// Seconds that an upgrade to WebSocket may take.
    #[arg(long, env = "UPGRADE_TIMEOUT", default_value = "10", value_name = "SECONDS", value_parser = seconds)]
    pub upgrade_timeout: Duration,

    /// Seconds within which a connection must join the chat. [default: 25; with COMPAT=exact 45]
    #[arg(long, env = "CONNECT_TIMEOUT", value_name = "SECONDS", value_parser = seconds)]
    pub connect_timeout: Option<Duration>,

    /// Largest body of a polling request and largest WebSocket message, in bytes.
    #[arg(long, env = "MAX_PAYLOAD", default_value_t = 1_000_000, value_name = "BYTES")]
    pub max_payload: usize,

    /// Bytes of all frames, messages and bodies that have not come to their end yet; past it the
    /// connections are closed that send more of one that is larger than 16 KiB.
    #[arg(long, env = "UNFINISHED_BYTES", default_value_t = 64 << 20, value_name = "BYTES")]
    pub unfinished_bytes: usize,

    /// Bytes of all answers to HTTP requests above 64 KiB that clients have not read yet; past it who asks
    /// for such a one, or for more than 100 messages, gets a 503. Polling answers that must be copied though
    /// they are that long may take as much again, and wait for it.
    #[arg(long, env = "ANSWER_BYTES", default_value_t = 64 << 20, value_name = "BYTES")]
    pub answer_bytes: usize,
}
