//! Settings, telemetry, run; and the exit codes, which `ops::exit` lists.

use std::io::ErrorKind::{IsADirectory, NotFound};

use redis_chat_server::{
    config::Program,
    contract,
    ops::{exit::Failure, rebuild, serve, telemetry, transfer},
};
use tokio::runtime::{self, LocalOptions};

fn main() {
    if let Err(why) = program() {
        eprintln!("redis-chat-server: {why}");
        std::process::exit(why.code());
    }
}

fn program() -> Result<(), Failure> {
    let dotenv = dotenv()?;
    let args = std::env::args_os().collect();
    match Program::parse_from(args, &dotenv).unwrap_or_else(|e| e.exit()) {
        Program::Serve(config) => {
            telemetry::start(&config).map_err(Failure::Setting)?;
            run(serve::run(*config))
        }
        Program::Transfer(transfer) => run(transfer::run(transfer)),
        Program::Rebuild(settings) => run(rebuild::run(settings)),
        Program::PrintContract => {
            println!("{}", contract::table::to_json());
            Ok(())
        }
    }
}

/// The text of `.env`, read as the original does: what is not UTF-8 becomes U+FFFD. A file that is
/// there but may not be read must not be passed over, since it may say where the data is.
fn dotenv() -> Result<String, Failure> {
    match std::fs::read(".env") {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(why) if matches!(why.kind(), NotFound | IsADirectory) => Ok(String::new()),
        Err(why) => Err(Failure::Setting(format!("the file .env can't be read: {why}"))),
    }
}

fn run(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    // One thread owns the realtime side: see docs/ARCHITECTURE.md. A `LocalRuntime` and not a `LocalSet`, which
    // would be a loop within the loop: each step from one to the other is a look at epoll.
    let runtime =
        runtime::Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
    let runtime =
        runtime.map_err(|why| Failure::Local(format!("no event loop can be started: {why}")))?;
    let result = runtime.block_on(work);
    // What still runs, such as a thread that hashes a password, is not waited for.
    runtime.shutdown_background();
    result
}
