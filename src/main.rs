//! Settings, telemetry, run; and the exit codes, which `ops::exit` lists.

use redis_chat_server::{
    config::Program,
    contract,
    ops::{exit::Failure, serve, telemetry, transfer},
};
use tokio::{runtime, task::LocalSet};

fn main() {
    let dotenv = std::fs::read_to_string(".env").unwrap_or_default();
    let args = std::env::args_os().collect();
    let result = match Program::parse_from(args, &dotenv).unwrap_or_else(|e| e.exit()) {
        Program::Serve(config) => telemetry::start(&config)
            .map_err(Failure::Local)
            .and_then(|()| run(serve::run(*config))),
        Program::Transfer(transfer) => run(transfer::run(transfer)),
        Program::PrintContract => {
            println!("{}", contract::table::to_json());
            Ok(())
        }
    };
    if let Err(why) = result {
        eprintln!("redis-chat-server: {why}");
        std::process::exit(why.code());
    }
}

fn run(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    // One thread owns the realtime side: see docs/ARCHITECTURE.md.
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let runtime =
        runtime.map_err(|why| Failure::Local(format!("no event loop can be started: {why}")))?;
    let result = LocalSet::new().block_on(&runtime, work);
    // What still runs, such as a thread that hashes a password, is not waited for.
    runtime.shutdown_background();
    result
}
