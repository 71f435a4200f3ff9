//! A run: for each scenario and round, all servers one after the other.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use crate::{
    error::{Error, because},
    options::{Options, Profile},
    prepare::Prepared,
    report::{
        chart, curves,
        growth::{Growth, at},
        json, readme,
        samples::Samples,
        table,
    },
    scenarios::{self, Setting, growth},
    system::{
        machine::Machine,
        servers::{Kind, Target},
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
    if options.growth { grow(options) } else { compare(options) }
}

fn compare(options: &Options) -> Result<String, Error> {
    let chosen = chosen(options, scenarios::ALL, |scenario| scenario.name)?;
    let usual = [Kind::Rust, Kind::RustEmbedded, Kind::Node, Kind::Socketioxide];
    let mut run = Run::new(options, &usual)?;
    let mut sends = Samples::default();
    for round in 1..=run.profile.rounds {
        sends.put("send", yardstick::send()?);
        for scenario in &chosen {
            run.each(scenario.name, round, scenario.applies, scenario.run, |name| name.to_owned());
        }
    }
    run.about_bcrypt();
    let Run { prepared, profile, began, columns, .. } = run;
    let Prepared { machine, notes, .. } = prepared;
    let (rounds, took) = (profile.rounds, began.elapsed());
    let results = Results { profile: profile.name, rounds, took, machine, sends, columns, notes };
    write(options.json.as_deref(), || json::render(&results))?;
    write(options.svg.as_deref(), || chart::render(&results))?;
    let table = table::render(&results);
    if let Some(file) = &options.readme {
        readme::BENCHMARK.put(file, &table)?;
    }
    Ok(table)
}

fn grow(options: &Options) -> Result<String, Error> {
    let chosen = chosen(options, growth::ALL, |family| family.name)?;
    let mut run = Run::new(options, &[Kind::Rust, Kind::RustEmbedded])?;
    for round in 1..=run.profile.rounds {
        for family in &chosen {
            for size in family.sizes.iter().copied() {
                let applies = |target: &Target| (family.applies)(target, size);
                let measure = |setting: &Setting<'_>, samples: &mut Samples| {
                    (family.run)(setting, samples, size)
                };
                run.each(family.name, round, applies, measure, |name| at(name, size));
            }
        }
    }
    let Run { prepared, columns, .. } = run;
    let Prepared { machine, notes, .. } = prepared;
    let growth = Growth { machine, columns, notes };
    write(options.json.as_deref(), || growth.json())?;
    write(options.svg.as_deref(), || curves::render(&growth))?;
    let tables = growth.table();
    if let Some(file) = &options.readme {
        readme::GROWTH.put(file, &tables)?;
    }
    Ok(tables)
}

/// A run under way.
struct Run {
    prepared: Prepared,
    profile: Profile,
    began: Instant,
    columns: Vec<(Target, Samples)>,
}

impl Run {
    fn new(options: &Options, usual: &[Kind]) -> Result<Run, Error> {
        let prepared = Prepared::new(options, usual)?;
        let column = |target: &Target| (target.clone(), Samples::default());
        let columns = prepared.targets.iter().map(column).collect();
        Ok(Run { prepared, profile: options.profile(), began: Instant::now(), columns })
    }

    /// Measures all servers that `applies` to, one after the other, and books each figure under what `rename` makes of
    /// its name. One server's failure must not cost the others their figures.
    fn each(
        &mut self,
        name: &str,
        round: u32,
        applies: impl Fn(&Target) -> bool,
        measure: impl Fn(&Setting<'_>, &mut Samples) -> Result<(), Error>,
        rename: impl Fn(&str) -> String,
    ) {
        let Prepared { redis, programs, notes, .. } = &mut self.prepared;
        for (target, samples) in &mut self.columns {
            if !applies(target) {
                continue;
            }
            let (began, of) = (Instant::now(), &target.name);
            let setting = Setting { programs, redis, profile: &self.profile, target };
            let mut figures = Samples::default();
            if let Err(error) = measure(&setting, &mut figures) {
                let note = format!("{of}, {name}, round {round}: {error}");
                eprintln!("{note}");
                notes.push(note);
            }
            let closed = figures.total(".ended");
            if closed > 0.0 {
                notes.push(format!("{of}, {name}: it closed {closed:.0} sockets"));
            }
            for (name, values) in figures.iter() {
                values.iter().for_each(|value| samples.put(rename(name), *value));
            }
            let seconds = began.elapsed().as_secs_f64();
            eprintln!("round {round}, {}, {of}: {seconds:.1} s", rename(name));
        }
    }

    /// The Node peer's hash function is not the original's.
    fn about_bcrypt(&mut self) {
        let hashes = |(target, samples): &(Target, Samples)| {
            target.kind == Kind::Node && samples.median("login.cpu").is_some()
        };
        if self.columns.iter().any(hashes) {
            self.prepared.notes.push(
                "node hashes passwords in JavaScript on its one thread, the original in native code on four."
                    .to_owned(),
            );
        }
    }
}

/// Those that `--only` names, or all.
fn chosen<T>(
    options: &Options,
    all: &'static [T],
    name: impl Fn(&T) -> &'static str,
) -> Result<Vec<&'static T>, Error> {
    let names: Vec<&str> = all.iter().map(&name).collect();
    if let Some(unknown) = options.only.iter().find(|only| !names.contains(&only.as_str())) {
        return Err(Error::new(format!("no {unknown} to measure; there are {}", names.join(", "))));
    }
    let is_chosen =
        |one: &&T| options.only.is_empty() || options.only.iter().any(|only| only == name(one));
    Ok(all.iter().filter(is_chosen).collect())
}

fn write(file: Option<&Path>, text: impl FnOnce() -> String) -> Result<(), Error> {
    let Some(file) = file else { return Ok(()) };
    if let Some(folder) = file.parent() {
        let _ = fs::create_dir_all(folder);
    }
    fs::write(file, text()).map_err(because(file.display().to_string()))
}
