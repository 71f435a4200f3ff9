//! The settings of the two stores, which the server and the commands share.

use std::{path::PathBuf, time::Duration};

use clap::Args;

use super::millis;
use crate::store::embedded::Sync;

/// Where Redis is and how to sign in.
#[derive(Debug, Clone, Args)]
pub struct RedisSettings {
    /// Redis as host:port, or as a redis://, rediss:// or unix:// URL.
    #[arg(
        long = "redis-endpoint-url",
        env = "REDIS_ENDPOINT_URL",
        default_value = "127.0.0.1:6379",
        hide_env_values = true
    )]
    pub endpoint_url: String,

    /// Password for Redis; empty for none.
    #[arg(
        long = "redis-password",
        env = "REDIS_PASSWORD",
        default_value = "",
        hide_env_values = true,
        hide_default_value = true
    )]
    pub password: String,

    /// PEM file with the certificate authority that signed the certificate of a rediss:// server.
    /// Without it the usual public authorities count.
    #[arg(long = "redis-ca-file", env = "REDIS_CA_FILE", value_name = "FILE")]
    pub ca_file: Option<PathBuf>,

    /// Milliseconds within which Redis must answer; past it the connection counts as lost.
    #[arg(long = "redis-timeout", env = "REDIS_TIMEOUT", default_value = "1500", value_name = "MS",
        value_parser = millis)]
    pub timeout: Duration,
}

/// The file of the embedded store.
#[derive(Debug, Clone, Args)]
pub struct EmbeddedSettings {
    /// File with the data of STORE=embedded. It and its folder are made if they are missing.
    #[arg(long, env = "DATA_FILE", default_value = "data/chat.db", value_name = "FILE")]
    pub data_file: PathBuf,

    /// What the file survives.
    #[arg(long, env = "DATA_SYNC", default_value = "full")]
    pub data_sync: Sync,
}
