//! Where values come from: the command line, else the environment, else `.env`, else the default.

use std::{
    collections::HashMap,
    ffi::{OsStr, OsString},
};

use clap::{Parser, error::ErrorKind};

/// Reads the settings of a command. `dotenv` is the text of `.env`, if there is one.
pub(super) fn read<P: Parser>(
    args: impl IntoIterator<Item = OsString>,
    dotenv: &str,
) -> Result<P, clap::Error> {
    let command = P::command();
    let file = parse_dotenv(dotenv);
    let args: Vec<OsString> = args.into_iter().collect();
    let mut all: Vec<OsString> = args.iter().take(1).cloned().collect();
    for arg in command.get_arguments() {
        let (Some(env), Some(long)) = (arg.get_env().and_then(|e| e.to_str()), arg.get_long())
        else {
            continue;
        };
        // Also one that is set to nothing keeps what `.env` says away.
        if std::env::var_os(env).is_some() {
            continue;
        }
        // A list would grow by what the command line says, instead of being replaced.
        if args.iter().any(|arg| names(arg, long)) {
            continue;
        }
        if let Some(value) = file.get(env).filter(|v| !v.is_empty()) {
            all.push(format!("--{long}={value}").into());
        }
    }
    all.extend_from_slice(args.get(1..).unwrap_or_default());
    // What is set to nothing has its default, as the original's `||` has it.
    let command = command.mut_args(|arg| {
        let empty = arg.get_env().and_then(std::env::var_os).is_some_and(|v| v.is_empty());
        if empty { arg.env(None::<&str>) } else { arg }
    });
    P::from_arg_matches(&command.try_get_matches_from(all)?)
}

/// Whether an argument is `--long` or `--long=…`.
fn names(arg: &OsStr, long: &str) -> bool {
    let named = arg.to_str().and_then(|arg| arg.strip_prefix("--")?.strip_prefix(long));
    named.is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
}

/// The error for a value that can't be used.
pub(super) fn invalid<P: Parser>(why: String) -> clap::Error {
    P::command().error(ErrorKind::ValueValidation, why)
}

/// `.env` as the original's reader takes it: no variables are substituted, so that a password with
/// a `$` stays what it is; that is why no library reads it here.
fn parse_dotenv(text: &str) -> HashMap<String, String> {
    let line = |line: &str| {
        let (key, value) = line.split_once('=')?;
        let key = key.trim();
        let named = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        if key.is_empty() || !key.chars().all(named) {
            return None;
        }
        let value = value.trim();
        let quoted = |q: char| value.len() > 1 && value.starts_with(q) && value.ends_with(q);
        let value = if quoted('"') {
            value[1..value.len() - 1].replace("\\n", "\n")
        } else if quoted('\'') {
            value[1..value.len() - 1].to_owned()
        } else {
            value.to_owned()
        };
        Some((key.to_owned(), value))
    };
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::parse_dotenv;

    #[test]
    fn dotenv_takes_values_literally() {
        let file = parse_dotenv("# no\nA=1\n B = \"x y\" \nC='q$HOME'\nD=a#b\nbad key=1\nE=\n");
        let pairs = [("A", "1"), ("B", "x y"), ("C", "q$HOME"), ("D", "a#b"), ("E", "")];
        assert_eq!(file.len(), pairs.len());
        for (key, value) in pairs {
            assert_eq!(file[key], value);
        }
    }
}
