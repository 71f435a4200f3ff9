//! Files that are not opened, and why.

use std::{
    env, fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::Path,
    process::Command,
};

use redis_chat_server::store::{
    embedded::{Sync, file::DataFile},
    record::Record,
};
use rusqlite::Connection;

use crate::{PART, file, play, records, support::Folder};

/// Opens a file that must be refused, and returns why.
fn refusal(path: &Path) -> String {
    match DataFile::open(path, Sync::Full) {
        Ok(_) => panic!("{} was opened", path.display()),
        Err(why) => why,
    }
}

#[test]
fn files_that_are_not_ours_stay_as_they_are() {
    let folder = Folder::new();
    let path = file(&folder);
    let unchanged = |why: &str| {
        let bytes = fs::read(&path).unwrap();
        let found = refusal(&path);
        assert!(found.contains(why) && found.contains("chat.db"), "{found}");
        assert_eq!(fs::read(&path).unwrap(), bytes);
        let names: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(names.len(), 1, "{names:?}");
        fs::remove_file(&path).unwrap();
    };
    fs::write(&path, "no database at all, but long enough to be taken for one".repeat(99)).unwrap();
    unchanged("is not a data file of this program");
    fs::write(&path, "x").unwrap();
    unchanged("is not a data file of this program");
    for mode in ["DELETE", "WAL"] {
        let foreign = Connection::open(&path).unwrap();
        foreign.pragma_update_and_check(None, "journal_mode", mode, |_| Ok(())).unwrap();
        foreign.execute_batch("CREATE TABLE users (id)").unwrap();
        drop(foreign);
        unchanged("is not a data file of this program");
    }
    drop(DataFile::open(&path, Sync::Full).unwrap());
    fs::remove_file(folder.path().join("chat.db.lock")).unwrap();
    let newer = Connection::open(&path).unwrap();
    newer.pragma_update(None, "user_version", 2).unwrap();
    drop(newer);
    unchanged("written by a newer version");

    let log = folder.path().join("chat.db-wal");
    fs::write(&log, "of a file that is gone").unwrap();
    assert!(refusal(&path).contains("bring it back or delete the log"));
    assert!(!path.exists() && log.exists());
    fs::remove_file(log).unwrap();

    fs::create_dir(&path).unwrap();
    assert!(refusal(&path).contains("is not a file"));
    fs::remove_dir(&path).unwrap();
    // An empty file is as good as none.
    fs::write(&path, "").unwrap();
    DataFile::open(&path, Sync::Full).unwrap();
}

#[test]
fn odd_paths() {
    let folder = Folder::new();
    // Names that mean something else to SQLite or in a URI, and one that is no text.
    use std::os::unix::ffi::OsStrExt;
    let no_text = std::ffi::OsStr::from_bytes(b"\xff.db");
    for name in [":memory:", "file:x?mode=memory", "a%20b#c?d &", "ü"].map(Path::new) {
        let path = folder.path().join(name);
        DataFile::open(&path, Sync::Full).unwrap().write(&[Record::LastUserId(3)]).unwrap();
        assert_eq!(records(&path), [Record::LastUserId(3)], "{name:?}");
    }
    DataFile::open(&folder.path().join(no_text), Sync::Full).unwrap();
    assert!(refusal(Path::new("")).contains("name can't be used"));
    let regular = folder.path().join("regular");
    fs::write(&regular, "x").unwrap();
    assert!(refusal(&regular.join("chat.db")).contains("folder of the data file"));
    assert!(refusal(Path::new("/proc/chat.db")).contains("can't be"));
    // A link leads to the same file, with the same lock.
    let (path, link) = (file(&folder), folder.path().join("link.db"));
    let held = DataFile::open(&path, Sync::Full).unwrap();
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert!(refusal(&link).contains("in use by another process"));
    drop(held);
    DataFile::open(&link, Sync::Full).unwrap();
}

#[test]
fn a_second_opener_is_refused() {
    let folder = Folder::new();
    let path = file(&folder);
    let held = DataFile::open(&path, Sync::Full).unwrap();
    assert!(refusal(&path).contains("in use by another process"));
    let output = || {
        let output = play("open", &path).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(output().contains("in use by another process"), "{}", output());
    drop(held);
    assert!(output().contains("\nopened\n"), "{}", output());
}

#[test]
fn a_file_without_permission_is_refused() {
    let folder = Folder::new();
    // Root may do everything, so the look is taken as somebody else, by a copy that they may run.
    let program = folder.path().join("program");
    fs::copy(env::current_exe().unwrap(), &program).unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    let path = data.join("chat.db");
    DataFile::open(&path, Sync::Full).unwrap();
    let mode = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(folder.path(), 0o755);
    mode(&program, 0o755);
    let owner = fs::metadata(&path).unwrap();
    let is_root = std::os::unix::fs::MetadataExt::uid(&owner) == 0;
    let answer = || {
        let mut command = Command::new(&program);
        command.args(["--exact", "a_part_in_another_test", "--nocapture"]);
        command.env(PART, "open").env("CHAT_TEST_FILE", &path);
        if is_root {
            command.uid(65_534);
        }
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    // The lock can't be opened; then the file can't be read; then it can't be written; then the
    // folder takes no log.
    let lock = data.join("chat.db.lock");
    let refused = |why: &str| {
        let answer = answer();
        assert!(answer.contains(why) && !answer.contains("\nopened\n"), "{why}: {answer}");
    };
    mode(&data, 0o777);
    mode(&lock, 0o400);
    refused("ermission denied");
    mode(&lock, 0o666);
    mode(&path, 0o000);
    refused("can't be opened");
    mode(&path, 0o444);
    refused("can only be read, not written");
    mode(&path, 0o666);
    mode(&data, 0o555);
    refused("it or its folder can't be written");
    mode(&data, 0o777);
    assert!(answer().contains("\nopened\n"));
}
