//! Messages and the ordered writes (`http-and-redis.md` sections 2 and 9).

use std::{cell::RefCell, rc::Rc};

use redis_chat_server::store::{
    Store,
    commit::{Commit, Outcome},
};

use crate::{
    record::{message, room_name},
    support::stores::{self, on_each_store},
};

async fn history(store: &Store, room: &str, start: i64, stop: i64) -> String {
    let found = store.history(room, start, stop).await.unwrap().unwrap();
    String::from_utf8(found.concat()).unwrap()
}

#[test]
fn history_of_a_room() {
    on_each_store(async |stage| {
        let records = [(1.0, "a"), (4.0, "e"), (3.0, "d"), (2.0, "b"), (3.0, "c")];
        stage.put(&records.map(|(score, text)| message("1:2", score, text))).await;
        let store = stage.store();
        for (start, stop, expected) in [
            (0, 2, "edc"),
            (0, -1, "edcba"),
            (-2, -1, "ba"),
            (-3, -2, "cb"),
            (-1, -2, ""),
            (-9, -4, "ed"),
            (-9, -6, ""),
            (-9, 1, "ed"),
            (-2, 9, "ba"),
            (-2, 2, ""),
            (1, -2, "dcb"),
            (3, -4, ""),
            (3, 100, "ba"),
            (9, 20, ""),
            (9, -1, ""),
            (2, 1, ""),
            (i64::MIN, i64::MAX, "edcba"),
            (i64::MIN, -1, "edcba"),
            (i64::MIN, i64::MIN, ""),
            (i64::MAX, i64::MAX, ""),
            (i64::MAX, i64::MIN, ""),
            (0, i64::MIN, ""),
        ] {
            assert_eq!(history(store, "1:2", start, stop).await, expected, "{start} {stop}");
        }
        assert_eq!(store.history("nowhere", 0, 15).await.unwrap(), None);
        assert!(store.room_exists("1:2").await.unwrap());
        assert!(!store.room_exists("nowhere").await.unwrap());
        // Members are bytes, whatever they are.
        stage.say("odd", "1", b"\xff\x00\r\n").await;
        let found = store.history("odd", 0, 0).await.unwrap();
        assert_eq!(found, Some(vec![b"\xff\x00\r\n".to_vec()]));
    });
}

#[test]
fn order_and_moves_of_messages() {
    on_each_store(async |stage| {
        let new = Outcome::Done { room_was_new: true, online_changed: None };
        let old = Outcome::Done { room_was_new: false, online_changed: None };
        assert_eq!(stage.say("r", "5", b"m").await, new);
        for (score, member) in [
            ("-inf", &b"first;"[..]),
            ("+inf", b"last;"),
            ("0", b"zero;"),
            ("-0", b"minus zero;"),
            ("0x10", b"sixteen;"),
            ("5", b"m"),
            ("5", b"ma;"),
            ("5", b"l;"),
            ("1e-7", b"small;"),
            ("InFinity", b"last of all;"),
        ] {
            assert_eq!(stage.say("r", score, member).await, old, "{score}");
        }
        let expected = "last;last of all;sixteen;ma;ml;small;zero;minus zero;first;";
        assert_eq!(history(stage.store(), "r", 0, -1).await, expected);
        // Stored once: an equal one only moves.
        assert_eq!(stage.say("r", "-7", b"last;").await, old);
        assert_eq!(stage.say("r", "inf", b"zero;").await, old);
        let expected = "zero;last of all;sixteen;ma;ml;small;minus zero;last;first;";
        assert_eq!(history(stage.store(), "r", 0, -1).await, expected);
        assert_eq!(stage.say("r2", "1", b"m").await, new, "rooms do not share messages");
        stage.put(&[room_name("named", "")]).await;
        assert_eq!(stage.say("named", "1", b"m").await, old);
        let again = stage.dump().await;
        assert_eq!(history(stage.store(), "r", 0, -1).await, expected);
        assert_eq!(stage.dump().await, again);
    });
}

#[test]
fn commits_are_settled_in_order() {
    on_each_store(async |stage| {
        let store = stage.store();
        let settled = Rc::new(RefCell::new(Vec::new()));
        for n in 0..2_000u32 {
            let settled = settled.clone();
            let commit = match n % 3 {
                0 => Commit { online: vec![n.to_string()], ..Commit::default() },
                1 => Commit { offline: Some((n - 1).to_string()), ..Commit::default() },
                _ => stores::message("r", &n.to_string(), &n.to_be_bytes()),
            };
            store.commit(commit, Box::new(move |outcome| settled.borrow_mut().push((n, outcome))));
        }
        assert_eq!(store.held(), 2_000);
        assert!(store.held_bytes() > 2_000);
        store.until_settled().await;
        assert_eq!((store.held(), store.held_bytes()), (0, 0));
        store.until_settled().await;
        let settled = settled.take();
        assert_eq!(settled.len(), 2_000);
        for (n, found) in settled.iter().enumerate() {
            let online_changed = (n % 3 == 0).then_some(true);
            let expected = Outcome::Done { room_was_new: n == 2, online_changed };
            assert_eq!(*found, (n as u32, expected));
        }
        let stored = store.history("r", 0, -1).await.unwrap().unwrap();
        let expected: Vec<Vec<u8>> =
            (0..2_000u32).rev().filter(|n| n % 3 == 2).map(|n| n.to_be_bytes().into()).collect();
        assert_eq!(stored, expected);
    });
}
