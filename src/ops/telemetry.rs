//! The log. It goes to standard error; standard output keeps the one line that the original has.
//! It never holds message texts, passwords or session ids.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::{EnvFilter, filter::LevelFilter};

use crate::config::{Config, LogFormat};

/// Starts the log as the settings say.
///
/// # Errors
/// In plain words, if LOG_LEVEL can't be understood.
pub fn start(config: &Config) -> Result<(), String> {
    // A lone word that is no level would count as the name of a module: a silent log.
    if config.log_level.chars().all(char::is_alphanumeric)
        && config.log_level.parse::<LevelFilter>().is_err()
    {
        return Err(format!(
            "LOG_LEVEL is '{}', but must be error, warn, info, debug or trace",
            config.log_level
        ));
    }
    let filter = EnvFilter::try_new(&config.log_level)
        .map_err(|why| format!("LOG_LEVEL is '{}': {why}", config.log_level))?;
    let terminal = stderr().is_terminal();
    let log =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr).with_ansi(terminal);
    match config.log_format {
        LogFormat::Json => log.json().init(),
        LogFormat::Pretty => log.with_target(false).init(),
        LogFormat::Auto if terminal => log.with_target(false).init(),
        LogFormat::Auto => log.init(),
    }
    Ok(())
}
