//! The servers that are compared, and how each is started.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use super::{
    process::{Living, Process, command, free_port, serves_http},
    redis::Redis,
    seed::SECRET,
};
use crate::error::{Error, because};

/// What a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// This repository's server on Redis.
    Rust,
    /// This repository's server on its own file.
    RustEmbedded,
    /// The double of the original in `compat-tests/node-peer`.
    Node,
    /// The small chat on socketioxide in this crate.
    Socketioxide,
    /// A command line with `{port}`, `{redis}` and `{client}` to fill in.
    Command(String),
}

/// A server under comparison.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its column.
    pub name: String,
    /// What it is.
    pub kind: Kind,
}

impl Target {
    /// Whether it uses the Redis that is measured beside it, and so can share it with a second server.
    pub fn uses_redis(&self) -> bool {
        self.kind != Kind::RustEmbedded
    }

    /// Whether it has the product's HTTP routes.
    pub fn has_rest(&self) -> bool {
        self.kind != Kind::Socketioxide
    }

    /// Whether it is this repository's, which the budget is of.
    pub fn is_ours(&self) -> bool {
        matches!(self.kind, Kind::Rust | Kind::RustEmbedded)
    }
}

/// Where the programs are, and what all servers get.
#[derive(Debug)]
pub struct Programs {
    /// This repository's server.
    pub server: PathBuf,
    /// The comparison chat.
    pub socketioxide: PathBuf,
    /// The Node peer's script.
    pub node_peer: PathBuf,
    /// `COMPAT` of this repository's server; unset leaves its default.
    pub compat: Option<String>,
    /// A folder for data, logs and the client.
    pub folder: PathBuf,
    /// The children that live.
    pub living: Living,
}

/// A server that serves.
#[derive(Debug)]
pub struct Running {
    process: Process,
    /// Where it listens.
    pub address: SocketAddr,
    /// From its start to its first answer.
    pub start_up: Duration,
}

impl Running {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }
}

/// Size of the original's `index.html`.
const INDEX_BYTES: usize = 2191;

impl Programs {
    /// Writes the client that all servers serve: a page of the original's size.
    pub fn lay_out(&self) -> Result<(), Error> {
        let client = self.client();
        let page = format!("<!doctype html>{}", "x".repeat(INDEX_BYTES - 15));
        fs::create_dir_all(&client)
            .and_then(|()| fs::write(client.join("index.html"), page))
            .map_err(because("the client folder"))
    }

    /// Why `kind` can't be started here, if so.
    pub fn lacks(&self, kind: &Kind) -> Option<String> {
        let (needed, cure) = match kind {
            Kind::Rust | Kind::RustEmbedded => (self.server.clone(), "make build"),
            Kind::Socketioxide => (self.socketioxide.clone(), "cargo build --release in benches"),
            Kind::Node => {
                let packages = self.node_peer.with_file_name("node_modules");
                (packages, "npm ci --ignore-scripts in compat-tests/node-peer")
            }
            Kind::Command(_) => return None,
        };
        let missing = !needed.exists();
        missing.then(|| format!("{} is not there: {cure}", needed.display()))
    }

    /// Starts a server on what `redis` holds, and waits until it serves. `number` tells the servers of one scenario apart.
    pub fn start(&self, target: &Target, redis: &Redis, number: usize) -> Result<Running, Error> {
        let port = free_port()?;
        let mut start = self.command_of(target, redis, port)?;
        start.env("PORT", port.to_string()).env("CLIENT_DIR", self.client());
        // As with servers on different hosts; by default the port tells them apart too.
        start.env("SERVER_ID", format!("bench-{number}")).env("SESSION_SECRET", SECRET);
        if target.uses_redis() {
            start.env("REDIS_ENDPOINT_URL", redis.address());
        }
        let log = self.folder.join(format!("{}-{number}.log", target.name));
        let mut process = Process::start(start, log, &self.living)?;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let start_up = process
            .wait_until(|| serves_http(address))
            .map_err(because(format!("{} does not start", target.name)))?;
        Ok(Running { process, address, start_up })
    }

    fn command_of(&self, target: &Target, redis: &Redis, port: u16) -> Result<Command, Error> {
        let plain = |program: &Path| command(program, &self.folder);
        let mut start = match &target.kind {
            Kind::Rust => plain(&self.server),
            Kind::RustEmbedded => {
                let file = self.import(redis)?;
                let mut start = plain(&self.server);
                start.env("STORE", "embedded").env("DATA_FILE", file);
                start
            }
            Kind::Node => {
                let mut start = plain(Path::new("node"));
                start.arg(&self.node_peer);
                start
            }
            Kind::Socketioxide => plain(&self.socketioxide),
            Kind::Command(line) => {
                let filled = line
                    .replace("{port}", &port.to_string())
                    .replace("{redis}", &redis.address())
                    .replace("{client}", &self.client().display().to_string());
                let mut words = filled.split_whitespace();
                let program = words.next().ok_or_else(|| Error::new("an empty --command"))?;
                // From where the benchmark was started, since that is what a relative path in it means.
                let mut start = plain(Path::new(program));
                start.args(words).current_dir(std::env::current_dir().map_err(because("here"))?);
                start
            }
        };
        if target.is_ours() {
            start.env("LIMITS", "off").env("LOG_LEVEL", "warn");
            if let Some(compat) = &self.compat {
                start.env("COMPAT", compat);
            }
        }
        Ok(start)
    }

    /// A file for the embedded store with what Redis holds.
    fn import(&self, redis: &Redis) -> Result<PathBuf, Error> {
        let data = self.folder.join("embedded");
        // The file has companions, so the folder goes.
        if data.exists() {
            fs::remove_dir_all(&data).map_err(because("the old data file"))?;
        }
        let file = data.join("chat.db");
        let mut import = command(&self.server, &self.folder);
        import.arg("import").env("DATA_FILE", &file).env("REDIS_ENDPOINT_URL", redis.address());
        let process = Process::start(import, self.folder.join("import.log"), &self.living)?;
        process.finish().map_err(because("the import into the embedded store"))?;
        Ok(file)
    }

    fn client(&self) -> PathBuf {
        self.folder.join("client")
    }
}
