//! `chat-bench`: see the library.

use std::process::ExitCode;

use chat_bench::{options::Options, run::run};
use clap::Parser;

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(report) => {
            print!("{report}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
