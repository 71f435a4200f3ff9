//! Settings, telemetry, run; and the exit codes, which `ops::exit` lists.

use redis_chat_server::{
    config::Config,
    ops::{exit::Failure, serve, telemetry},
};
use tokio::{runtime, task::LocalSet};

fn main() {
    let dotenv = std::fs::read_to_string(".env").unwrap_or_default();
    let config = Config::parse_from(std::env::args_os(), &dotenv).unwrap_or_else(|e| e.exit());
    let result = telemetry::start(&config).map_err(Failure::Local).and_then(|()| run(config));
    if let Err(why) = result {
        eprintln!("redis-chat-server: {why}");
        std::process::exit(why.code());
    }
}

fn run(config: Config) -> Result<(), Failure> {
    // One thread owns the realtime side: see docs/ARCHITECTURE.md.
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let runtime =
        runtime.map_err(|why| Failure::Local(format!("no event loop can be started: {why}")))?;
    let result = LocalSet::new().block_on(&runtime, serve::run(config));
    // What still runs, such as a thread that hashes a password, is not waited for.
    runtime.shutdown_background();
    result
}
