//! One run: for each scenario and round, all servers one after the other.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::{
    error::{Error, because},
    options::Options,
    report::{chart, json, readme, samples::Samples, table},
    scenarios::{self, Scenario, Setting},
    system::{
        machine::Machine,
        process::{Living, end_all},
        redis::Redis,
        servers::{Kind, Programs, Target},
        yardstick,
    },
};

/// What a run found.
#[derive(Debug)]
pub struct Results {
    /// The profile's name.
    pub profile: &'static str,
    /// Rounds.
    pub rounds: u32,
    /// Wall time of the run.
    pub took: Duration,
    /// The machine.
    pub machine: Machine,
    /// CPU of one bare TCP send in each round, in microseconds.
    pub sends: Samples,
    /// The servers with their figures.
    pub columns: Vec<(Target, Samples)>,
    /// What has to be said besides.
    pub notes: Vec<String>,
}

/// Does what the command line asks for, and gives the report.
pub fn run(options: &Options) -> Result<String, Error> {
    let machine = Machine::read();
    raise_file_limit();
    let folder = tempfile::tempdir().map_err(because("a temporary folder"))?;
    let living = Living::default();
    let ended = Arc::clone(&living);
    let scrap = folder.path().to_owned();
    let ended_by_signal = move || {
        end_all(&ended);
        let _ = fs::remove_dir_all(&scrap);
        std::process::exit(130);
    };
    ctrlc::set_handler(ended_by_signal).map_err(because("the signals"))?;

    let programs = programs(options, folder.path(), &living)?;
    programs.lay_out()?;
    let mut notes = Vec::new();
    let targets = targets(options, &programs, &mut notes)?;
    let chosen = chosen(options)?;
    let redis = Redis::start(folder.path(), &living)?;
    let profile = options.profile();

    let began = Instant::now();
    let mut columns: Vec<(Target, Samples)> =
        targets.into_iter().map(|target| (target, Samples::default())).collect();
    let mut sends = Samples::default();
    for round in 1..=profile.rounds {
        sends.put("send", yardstick::send()?);
        for scenario in &chosen {
            for (target, samples) in &mut columns {
                if !(scenario.applies)(target) {
                    continue;
                }
                let (name, of) = (scenario.name, &target.name);
                let at = Instant::now();
                let setting =
                    Setting { programs: &programs, redis: &redis, profile: &profile, target };
                let mut figures = Samples::default();
                // One server's failure must not cost the others their figures.
                if let Err(error) = (scenario.run)(&setting, &mut figures) {
                    let note = format!("{of}, {name}, round {round}: {error}");
                    eprintln!("{note}");
                    notes.push(note);
                }
                let closed = figures.total(".ended");
                if closed > 0.0 {
                    notes.push(format!("{of}, {name}: it closed {closed:.0} sockets"));
                }
                samples.append(figures);
                eprintln!("round {round}, {name}, {of}: {:.1} s", at.elapsed().as_secs_f64());
            }
        }
    }
    about_bcrypt(&columns, &mut notes);
    let took = began.elapsed();
    let rounds = profile.rounds;
    let results = Results { profile: profile.name, rounds, took, machine, sends, columns, notes };
    for (file, text) in
        [(&options.json, json::render(&results)), (&options.svg, chart::render(&results))]
    {
        if let Some(file) = file {
            write(file, &text)?;
        }
    }
    let table = table::render(&results);
    if let Some(file) = &options.readme {
        readme::put(file, &table)?;
    }
    Ok(table)
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
        if !(is_asked_for || options.servers.is_empty()) {
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

fn chosen(options: &Options) -> Result<Vec<&'static Scenario>, Error> {
    let names: Vec<&str> = scenarios::ALL.iter().map(|scenario| scenario.name).collect();
    if let Some(unknown) = options.only.iter().find(|name| !names.contains(&name.as_str())) {
        return Err(Error::new(format!(
            "no scenario is called {unknown}; there are {}",
            names.join(", ")
        )));
    }
    let is_chosen =
        |name: &str| options.only.is_empty() || options.only.iter().any(|one| one == name);
    Ok(scenarios::ALL.iter().filter(|scenario| is_chosen(scenario.name)).collect())
}

/// The Node peer's hash function is not the original's.
fn about_bcrypt(columns: &[(Target, Samples)], notes: &mut Vec<String>) {
    let hashes = |(target, samples): &(Target, Samples)| {
        target.kind == Kind::Node && samples.median("login.cpu").is_some()
    };
    if columns.iter().any(hashes) {
        notes.push(
            "node hashes passwords in JavaScript on its one thread, the original in native code on four."
                .to_owned(),
        );
    }
}

/// Thousands of sockets need as many files, in this process and in the servers, which inherit it.
fn raise_file_limit() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

fn write(file: &PathBuf, text: &str) -> Result<(), Error> {
    if let Some(folder) = file.parent() {
        let _ = fs::create_dir_all(folder);
    }
    fs::write(file, text).map_err(because(file.display().to_string()))
}
