//! A Redis for the run: on a free port, in a temporary folder, without persistence.

use std::{path::Path, process::Command};

use redis::{Client, Connection};

use super::process::{Living, Process, free_port};
use crate::error::{Error, because};

/// The Redis that the servers share.
#[derive(Debug)]
pub struct Redis {
    process: Process,
    port: u16,
}

impl Redis {
    /// Starts it.
    pub fn start(folder: &Path, living: &Living) -> Result<Redis, Error> {
        let port = free_port()?;
        let mut command = Command::new("redis-server");
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""]);
        command.args(["--appendonly", "no", "--dir"]).arg(folder);
        let process = Process::start(command, folder.join("redis.log"), living)?;
        let mut redis = Redis { process, port };
        let url = redis.url();
        let answers = move || {
            let client = Client::open(url.as_str());
            client.and_then(|client| client.get_connection()).is_ok()
        };
        redis.process.wait_until(answers).map_err(because("redis-server"))?;
        Ok(redis)
    }

    /// Its address as the original reads it: host and port.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// A connection to it.
    pub fn connect(&self) -> Result<Connection, Error> {
        let client = Client::open(self.url()).map_err(because("Redis"))?;
        client.get_connection().map_err(because("Redis"))
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }
}
