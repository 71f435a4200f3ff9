//! The program as its supervisor sees it: exit codes and signals.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

/// An empty folder to run in; removed at the end.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Place {
        let place = std::env::temp_dir().join(format!("program-{name}-{}", std::process::id()));
        fs::create_dir_all(&place).unwrap();
        Place(place)
    }

    /// The program in this folder, with these settings alone.
    fn program(&self, settings: &[(&str, &str)]) -> Command {
        let mut program = Command::new(env!("CARGO_BIN_EXE_redis-chat-server"));
        program.current_dir(&self.0).env_clear().env("PORT", "0");
        program.envs(settings.iter().copied()).stdin(Stdio::null());
        program
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_bad_setting_ends_with_code_2_before_anything_is_written() {
    let place = Place::new("settings");
    fs::write(place.0.join("links.json"), "{bad").unwrap();
    let embedded = ("STORE", "embedded");
    for settings in [
        [("REDIS_ENDPOINT_URL", "redis://["), ("REDIS_PASSWORD", "")],
        [("REDIS_ENDPOINT_URL", "localhost:abc"), ("REDIS_PASSWORD", "")],
        [("REDIS_ENDPOINT_URL", "rediss://localhost:1"), ("REDIS_CA_FILE", "missing")],
        [embedded, ("LINKS_FILE", "missing.json")],
        [embedded, ("LINKS_FILE", "links.json")],
        [embedded, ("LOG_LEVEL", "loud")],
        [embedded, ("LOG_LEVEL", "a=loud")],
        [embedded, ("ROOM_BYTES", "0")],
        [embedded, ("PORT", "http")],
    ] {
        let ended = place.program(&settings).output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(2), "{settings:?}: {said}");
        assert!(!said.contains("panicked"), "{said}");
    }
    let missing = place.program(&[("REDIS_ENDPOINT_URL", "redis://[")]).arg("export").output();
    assert_eq!(missing.unwrap().status.code(), Some(2));
    assert!(!place.0.join("data").exists());
}

#[test]
fn a_signal_stops_it_in_order_from_the_first_moment_on() {
    let place = Place::new("signals");
    // Again and again, since it is a matter of moments.
    for _ in 0..10 {
        let mut program = place.program(&[("STORE", "embedded"), ("LOG_LEVEL", "off")]);
        let mut server = program.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
        kill_process(Pid::from_child(&server), Signal::TERM).unwrap();
        assert!(line.starts_with("Listening on "), "{line}");
        assert_eq!(server.wait().unwrap().code(), Some(0));
        // A store that was closed in order has no log.
        assert!(!place.0.join("data/chat.db-wal").exists());
    }
}

#[test]
fn a_secret_that_everybody_knows_is_warned_of_at_each_start() {
    let place = Place::new("secret");
    // Neither store can be used, and the warning comes all the same.
    let redis = ("REDIS_ENDPOINT_URL", "127.0.0.1:1");
    let folder = ("DATA_FILE", ".");
    for (settings, warned) in [
        (vec![redis], true),
        (vec![redis, ("SESSION_SECRET", "keyboard cat")], true),
        (vec![redis, ("SESSION_SECRET", "s3cret,keyboard cat")], true),
        (vec![redis, ("SESSION_SECRET", "s3cret,an older one")], false),
        (vec![folder, ("STORE", "embedded"), ("SESSION_SECRET", "s3cret,keyboard cat")], true),
        (vec![folder, ("STORE", "embedded")], false),
    ] {
        for _start in 0..2 {
            let ended = place.program(&settings).output().unwrap();
            let said = String::from_utf8_lossy(&ended.stderr);
            let warning = said.lines().find(|line| line.contains("anybody can forge a session"));
            assert_eq!(warning.is_some_and(|line| line.contains("WARN")), warned, "{said}");
            assert!(!said.contains("s3cret"), "{said}");
            assert!(!ended.status.success(), "{settings:?}");
        }
    }
}
