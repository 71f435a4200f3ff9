//! What every run needs first: the programs, the servers to compare, a Redis, a way to end it all.

use std::{fs, path::Path, sync::Arc};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tempfile::TempDir;

use crate::{
    error::{Error, because},
    options::Options,
    system::{
        machine::Machine,
        process::{Living, end_all},
        redis::Redis,
        servers::{Kind, Programs, Target},
    },
};

/// All that is set up.
#[derive(Debug)]
pub struct Prepared {
    /// The Redis; it ends first.
    pub redis: Redis,
    /// How to start servers.
    pub programs: Programs,
    /// The servers to compare.
    pub targets: Vec<Target>,
    /// The machine.
    pub machine: Machine,
    /// What has to be said beside the figures.
    pub notes: Vec<String>,
    _folder: TempDir,
}

impl Prepared {
    /// Sets it up. Without `--servers` those of `usual` are compared that are there.
    pub fn new(options: &Options, usual: &[Kind]) -> Result<Prepared, Error> {
        let machine = Machine::read();
        raise_file_limit();
        let folder = tempfile::tempdir().map_err(because("a temporary folder"))?;
        let living = Living::default();
        end_by_signal(&living, folder.path())?;
        let programs = programs(options, folder.path(), &living)?;
        programs.lay_out()?;
        let mut notes = Vec::new();
        let targets = targets(options, usual, &programs, &mut notes)?;
        let redis = Redis::start(folder.path(), &living)?;
        Ok(Prepared { redis, programs, targets, machine, notes, _folder: folder })
    }
}

/// A signal must not leave servers behind.
fn end_by_signal(living: &Living, folder: &Path) -> Result<(), Error> {
    let (living, folder) = (Arc::clone(living), folder.to_owned());
    let end = move || {
        end_all(&living);
        let _ = fs::remove_dir_all(&folder);
        std::process::exit(130);
    };
    ctrlc::set_handler(end).map_err(because("the signals"))
}

fn programs(options: &Options, folder: &Path, living: &Living) -> Result<Programs, Error> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let absolute = |path: &Path| std::path::absolute(path).map_err(because("here"));
    let own = std::env::current_exe().map_err(because("this program's place"))?;
    let default = root.join("target/release/redis-chat-server");
    Ok(Programs {
        server: absolute(options.server.as_ref().unwrap_or(&default))?,
        socketioxide: own.with_file_name("socketioxide-chat"),
        node_peer: root.join("compat-tests/node-peer/server.mjs"),
        compat: options.compat.clone(),
        folder: folder.to_owned(),
        living: Arc::clone(living),
    })
}

/// The servers asked for; of those that are only the default, the ones that are there.
fn targets(
    options: &Options,
    usual: &[Kind],
    programs: &Programs,
    notes: &mut Vec<String>,
) -> Result<Vec<Target>, Error> {
    let known = [
        ("rust", Kind::Rust),
        ("rust-embedded", Kind::RustEmbedded),
        ("node", Kind::Node),
        ("socketioxide", Kind::Socketioxide),
    ];
    let names = known.iter().map(|(name, _)| *name).collect::<Vec<_>>();
    if let Some(unknown) = options.servers.iter().find(|name| !names.contains(&name.as_str())) {
        return Err(Error::new(format!(
            "no server is called {unknown}; there are {}",
            names.join(", ")
        )));
    }
    let mut targets = Vec::new();
    for (name, kind) in known {
        let is_asked_for = options.servers.iter().any(|asked| asked == name);
        let is_usual = options.servers.is_empty() && usual.contains(&kind);
        if !(is_asked_for || is_usual) {
            continue;
        }
        match programs.lacks(&kind) {
            Some(lack) if is_asked_for || kind == Kind::Rust => return Err(Error::new(lack)),
            Some(lack) => notes.push(format!("Without {name}: {lack}.")),
            None => targets.push(Target { name: name.to_owned(), kind }),
        }
    }
    for (number, line) in options.command.iter().enumerate() {
        let name = format!("command {}", number + 1);
        notes.push(format!("{name}: {line}"));
        targets.push(Target { name, kind: Kind::Command(line.clone()) });
    }
    Ok(targets)
}

/// Thousands of sockets need as many files, in this process and in the servers, which inherit it.
fn raise_file_limit() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}
