//! Every setting, documented once. `--help` prints what stands here.
//!
//! A value comes from the command line, else from the environment, else from `.env` in the working
//! directory, else from its default (`http-and-redis.md` section 13).

mod choices;
mod connections;
mod limits;
mod network;
mod rebuild;
mod sources;
mod stores;
mod transfer;

use std::{ffi::OsString, net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Parser, builder::NonEmptyStringValueParser};

pub use self::{
    choices::{Compat, LogFormat, StoreKind, Switch},
    connections::ConnectionSettings,
    limits::LimitSettings,
    network::Network,
    rebuild::Rebuild,
    stores::{EmbeddedSettings, RedisSettings},
    transfer::{Direction, Ends, Transfer},
};

/// What the program was started for.
#[derive(Debug)]
pub enum Program {
    /// The server.
    Serve(Box<Config>),
    /// The move of data between the embedded store's file and a Redis.
    Transfer(Transfer),
    /// The repair of the online set.
    Rebuild(Rebuild),
    /// The rows of the wire contract, for whoever checks that each has a case.
    PrintContract,
}

impl Program {
    /// Reads the command line, the environment and `dotenv`, the text of `.env`.
    ///
    /// # Errors
    /// clap's: also for `--help` and `--version`; its `exit` prints what is due.
    pub fn parse_from(args: Vec<OsString>, dotenv: &str) -> Result<Program, clap::Error> {
        if args.get(1).is_some_and(|arg| arg == "--print-contract") {
            return Ok(Program::PrintContract);
        }
        if args.get(1).is_some_and(|arg| arg == "rebuild-presence") {
            return Rebuild::parse_from(args, dotenv).map(Program::Rebuild);
        }
        let named = args.get(1).and_then(|arg| Direction::named(arg));
        match named {
            Some(direction) => Transfer::parse_from(direction, args, dotenv).map(Program::Transfer),
            None => Config::parse_from(args, dotenv).map(|config| Program::Serve(config.into())),
        }
    }
}

/// The Redis chat demo's server in Rust: a drop-in for the Node.js original.
#[derive(Debug, Clone, Parser)]
#[command(version, about, max_term_width = 100, args_override_self = true, after_help = COMMANDS)]
pub struct Config {
    /// TCP port to listen on, on all addresses, when PORT is not set. Read like JavaScript's
    /// parseInt: "4107abc" is 4107. Further arguments are ignored. [default: 4000]
    #[arg(value_name = "PORT", num_args = 0..)]
    pub port_argument: Vec<String>,

    /// TCP port to listen on, on 0.0.0.0. Wins over the argument.
    #[arg(long, env = "PORT", value_name = "PORT")]
    pub port: Option<String>,

    /// Where the data lives.
    #[arg(long, env = "STORE", default_value = "redis")]
    pub store: StoreKind,

    /// The Redis of STORE=redis.
    #[command(flatten)]
    pub redis: RedisSettings,

    /// The file of STORE=embedded.
    #[command(flatten)]
    pub embedded: EmbeddedSettings,

    /// How exactly to follow the original where it is wrong for its users.
    #[arg(long, env = "COMPAT", default_value = "safe")]
    pub compat: Compat,

    /// Origins of pages on other hosts that may open sockets, each as scheme://host:port, separated by
    /// commas; "*" allows all. The page of the same host always may, and on one machine a page on
    /// any port. Only with COMPAT=safe: else all may.
    #[arg(long, env = "ALLOWED_ORIGINS", value_delimiter = ',', value_name = "ORIGIN",
        value_parser = origin)]
    pub allowed_origins: Vec<String>,

    /// Addresses or ranges of proxies before this server, as "10.0.0.0/8,…": their X-Forwarded-Host
    /// counts as the host that the browser asked, and the last address of their X-Forwarded-For
    /// that is no proxy's as the browser's.
    #[arg(long, env = "TRUSTED_PROXIES", value_delimiter = ',', value_name = "ADDRESS")]
    pub trusted_proxies: Vec<Network>,

    /// Whether browsers may send the session cookie over HTTPS only. Only with COMPAT=safe.
    #[arg(long, env = "COOKIE_SECURE", default_value = "false", value_name = "BOOL",
        action = clap::ArgAction::Set, value_parser = clap::builder::BoolishValueParser::new())]
    pub cookie_secure: bool,

    /// Folder of a client build that is served at "/" in the place of the built-in page.
    #[arg(long, env = "CLIENT_DIR", value_name = "DIR")]
    pub client_dir: Option<PathBuf>,

    /// Folder with socket.io.js and its variants, to serve them under /socket.io/. They are in the
    /// npm package socket.io 3.0.4, folder client-dist. Without it they are not served.
    #[arg(long, env = "ENGINE_CLIENT_DIR", value_name = "DIR")]
    pub engine_client_dir: Option<PathBuf>,

    /// JSON file that /links answers with. Without it a link to the original's repository.
    #[arg(long, env = "LINKS_FILE", value_name = "FILE")]
    pub links_file: Option<PathBuf>,

    /// Secret that signs session cookies; a comma-separated list rotates: the first signs, all are
    /// accepted, and a cookie that another one signed is signed anew. All servers on one Redis must
    /// share it. [default on Redis: the original's, known
    /// to everybody: set your own; with STORE=embedded a random one that is kept in the file]
    #[arg(long, env = "SESSION_SECRET", value_delimiter = ',', hide_env_values = true,
        value_parser = NonEmptyStringValueParser::new())]
    pub session_secret: Vec<String>,

    /// Name of this instance in announcements, unique on one Redis. [default: the first external
    /// IPv4 address and the port, as "10.0.0.5:4000"]
    #[arg(long, env = "SERVER_ID", value_parser = NonEmptyStringValueParser::new())]
    pub server_id: Option<String>,

    /// The connections of clients.
    #[command(flatten)]
    pub connections: ConnectionSettings,

    /// Events of one socket that may wait for Redis before the server stops reading from it.
    #[arg(long, env = "HELD_EVENTS", default_value_t = 1_000, value_name = "COUNT")]
    pub held_events: usize,

    /// Bytes of all events that may wait for Redis; past it the sockets that send more are closed.
    #[arg(long, env = "HELD_BYTES", default_value_t = 64 << 20, value_name = "BYTES")]
    pub held_bytes: usize,

    /// Seconds that a sender's clock may be off. After a lost link to Redis, messages of other servers
    /// are looked for that are dated as much before the loss, or after it.
    #[arg(long, env = "CATCHUP_SKEW", default_value = "120", value_name = "SECONDS", value_parser = seconds)]
    pub catchup_skew: Duration,

    /// Seconds after which the users of a killed server are taken to be offline, as the other servers see
    /// it; a third of it more may pass until they do. With COMPAT=safe on Redis.
    #[arg(long, env = "PRESENCE_LEASE", default_value = "9", value_name = "SECONDS", value_parser = seconds)]
    pub presence_lease: Duration,

    /// Log-ins and registrations that may wait for their turn at bcrypt; past it they get a 503.
    #[arg(long, env = "PASSWORD_QUEUE", default_value_t = 1_024, value_name = "COUNT")]
    pub password_queue: usize,

    /// Bytes that the names of the rooms may take that one socket joins.
    #[arg(long, env = "ROOM_BYTES", default_value_t = 1 << 20, value_name = "BYTES")]
    pub room_bytes: usize,

    /// Seconds that a stop may take before held work is given up.
    #[arg(long, env = "DRAIN_TIMEOUT", default_value = "8", value_name = "SECONDS", value_parser = seconds)]
    pub drain_timeout: Duration,

    /// Log format. "auto" is pretty on a terminal and plain text elsewhere.
    #[arg(long, env = "LOG_FORMAT", default_value = "auto")]
    pub log_format: LogFormat,

    /// What is logged: error, warn, info, debug or trace, or a filter of the tracing crate.
    #[arg(long, env = "LOG_LEVEL", default_value = "info")]
    pub log_level: String,

    /// What one client may use.
    #[command(flatten)]
    pub limits: LimitSettings,

    #[arg(skip)]
    resolved: Resolved,
}

/// The original's secret, the default on Redis so that a swap keeps everybody signed in.
pub const DEFAULT_SECRET: &str = "keyboard cat";

const COMMANDS: &str = "\
Commands (each with a --help of its own):
  redis-chat-server export   copy the data of STORE=embedded into a Redis, for more servers or Node's
  redis-chat-server import   copy the data of a Redis into the file of STORE=embedded
  redis-chat-server rebuild-presence   take users out of the online set whom Node servers left there
  redis-chat-server --print-contract   print the rows of the wire contract as JSON";

/// What is worked out from the settings once.
#[derive(Debug, Clone, Default)]
struct Resolved {
    port: u16,
    all_addresses: bool,
}

impl Config {
    /// Reads the settings. `dotenv` is the text of `.env`, if there is one.
    ///
    /// # Errors
    /// clap's: also for `--help` and `--version`; its `exit` prints what is due.
    pub fn parse_from(
        args: impl IntoIterator<Item = OsString>,
        dotenv: &str,
    ) -> Result<Config, clap::Error> {
        let mut config: Config = sources::read(args, dotenv)?;
        config.resolve().map_err(sources::invalid::<Config>)?;
        Ok(config)
    }

    fn resolve(&mut self) -> Result<(), String> {
        self.resolved = match (&self.port, self.port_argument.first()) {
            (Some(text), _) => {
                let port = text.trim().parse::<u16>();
                let port = port.map_err(|_| {
                    format!("PORT is '{text}', but must be a number from 0 to 65535")
                })?;
                Resolved { port, all_addresses: false }
            }
            (None, Some(text)) => {
                let digits: String = text.trim().chars().take_while(char::is_ascii_digit).collect();
                let port = if digits.is_empty() { Ok(4000) } else { digits.parse::<u16>() };
                let port =
                    port.map_err(|_| format!("the port is '{text}', but must be at most 65535"))?;
                Resolved { port, all_addresses: true }
            }
            (None, None) => Resolved { port: 4000, all_addresses: true },
        };
        for (name, value) in [
            ("QUEUE_BYTES", self.connections.queue_bytes),
            ("QUEUE_PACKETS", self.connections.queue_packets),
            ("HELD_EVENTS", self.held_events),
            ("HELD_BYTES", self.held_bytes),
            ("MAX_PAYLOAD", self.connections.max_payload),
            ("UNFINISHED_BYTES", self.connections.unfinished_bytes),
            ("ANSWER_BYTES", self.connections.answer_bytes),
            ("PASSWORD_QUEUE", self.password_queue),
            ("ROOM_BYTES", self.room_bytes),
            ("NAME_BYTES", self.limits.name_bytes),
            ("MESSAGE_BYTES", self.limits.message_bytes),
        ] {
            if value == 0 {
                return Err(format!("{name} is 0, but must be at least 1"));
            }
        }
        for (name, dir) in
            [("CLIENT_DIR", &self.client_dir), ("ENGINE_CLIENT_DIR", &self.engine_client_dir)]
        {
            if let Some(dir) = dir
                && !dir.is_dir()
            {
                return Err(format!("{name} is '{}', but there is no such folder", dir.display()));
            }
        }
        Ok(())
    }

    /// The addresses to listen on, in order of preference: with PORT only IPv4, else both families.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let v4 = SocketAddr::from(([0, 0, 0, 0], self.resolved.port));
        let v6 = SocketAddr::from(([0u16; 8], self.resolved.port));
        if self.resolved.all_addresses { vec![v6, v4] } else { vec![v4] }
    }
}

/// An origin as browsers send it: without a path, in lower case.
fn origin(text: &str) -> Result<String, String> {
    let origin = text.trim().trim_end_matches('/').to_ascii_lowercase();
    let is_one = origin.split_once("://").is_some_and(|(scheme, host)| {
        !scheme.is_empty() && !host.is_empty() && !host.contains('/')
    });
    if is_one || origin == "*" || origin == "null" {
        Ok(origin)
    } else {
        Err("must be like https://chat.example, or *".into())
    }
}

fn number(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| format!("'{text}' is not a number"))?;
    if value > 0.0 && value <= 1e6 {
        Ok(value)
    } else {
        Err("must be above 0 and at most 1000000".into())
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    number(text).map(Duration::from_secs_f64)
}

fn millis(text: &str) -> Result<Duration, String> {
    number(text).map(|n| Duration::from_secs_f64(n / 1000.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str], dotenv: &str) -> Result<Config, clap::Error> {
        let args = std::iter::once("server").chain(args.iter().copied()).map(OsString::from);
        Config::parse_from(args, dotenv)
    }

    #[test]
    fn the_command_line_wins_over_dotenv() {
        let config = parse(&["--queue-packets", "7"], "QUEUE_PACKETS=5\nQUEUE_BYTES=99").unwrap();
        assert_eq!((config.connections.queue_packets, config.connections.queue_bytes), (7, 99));
    }

    #[test]
    fn the_command_line_replaces_a_list_of_dotenv() {
        let secrets = |args: &[&str]| parse(args, "SESSION_SECRET=c,d").unwrap().session_secret;
        assert_eq!(secrets(&["--session-secret", "a"]), ["a"]);
        assert_eq!(secrets(&["--session-secret=a,b"]), ["a", "b"]);
        assert_eq!(secrets(&[]), ["c", "d"]);
    }

    #[test]
    fn the_port_argument_is_read_like_parse_int() {
        let port = |text| parse(&[text], "").map(|c| c.addresses()[0].port());
        assert_eq!(port("4107abc").unwrap(), 4107);
        assert_eq!(port("abc").unwrap(), 4000);
        assert!(port("70000").is_err());
        assert!(parse(&["--port", "abc"], "").is_err());
    }

    #[test]
    fn safe_is_the_default() {
        assert_eq!(parse(&[], "").unwrap().compat, Compat::Safe);
        assert_eq!(parse(&[], "COMPAT=exact").unwrap().compat, Compat::Exact);
        assert!(parse(&["--compat", "loose"], "").is_err());
    }

    #[test]
    fn limits_are_on_by_default() {
        let limits = |text| parse(&[], text).map(|config| config.limits);
        assert_eq!(limits("").unwrap().limits, Switch::On);
        assert_eq!(limits("LIMITS=off").unwrap().limits, Switch::Off);
        assert_eq!(limits("LOGINS_PER_ADDRESS=7").unwrap().logins_per_address, 7);
        for bad in ["LIMITS=no", "LOGINS_PER_ADDRESS=0", "EVENTS_PER_SOCKET=-1", "NAME_BYTES=0"] {
            assert!(limits(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn lists_are_separated_by_commas() {
        let config = parse(
            &[],
            "ALLOWED_ORIGINS=https://A.example/, http://b:1\nTRUSTED_PROXIES=::1,10.0.0.0/8",
        );
        let config = config.unwrap();
        assert_eq!(config.allowed_origins, ["https://a.example", "http://b:1"]);
        assert_eq!(config.trusted_proxies.len(), 2);
        for bad in ["a.example", "https://", "https://a.example/chat"] {
            assert!(parse(&["--allowed-origins", bad], "").is_err(), "{bad}");
        }
        assert!(parse(&["--trusted-proxies", "proxy"], "").is_err());
        for (text, on) in [("1", true), ("true", true), ("off", false), ("0", false)] {
            assert_eq!(parse(&["--cookie-secure", text], "").unwrap().cookie_secure, on, "{text}");
        }
    }
}
