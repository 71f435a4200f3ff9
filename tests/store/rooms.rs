//! Rooms (`http-and-redis.md` section 2).

use redis_chat_server::store::{RoomKind, RoomRow, RoomState};

use crate::{
    record::{message, room_name, user, user_room},
    support::stores::on_each_store,
};

fn pair(a: Option<&str>, b: Option<&str>) -> [Option<String>; 2] {
    [a.map(Into::into), b.map(Into::into)]
}

#[test]
fn private_rooms_are_made() {
    on_each_store(async |stage| {
        stage.put(&[user("1", Some("Pablo"), None), user("5", Some("zoe"), None)]).await;
        let store = stage.store().clone();
        for _ in 0..2 {
            let made = store.create_private_room("5", "1", "1:5").await.unwrap();
            assert_eq!(made, pair(Some("zoe"), Some("Pablo")));
        }
        let made = store.create_private_room("1", "99", "1:99").await.unwrap();
        assert_eq!(made, pair(Some("Pablo"), None));
        let made = store.create_private_room("7", "7", "7:7").await.unwrap();
        assert_eq!(made, pair(None, None));
        assert_eq!(store.user_names(["5", "1"]).await.unwrap(), pair(Some("zoe"), Some("Pablo")));
        assert_eq!(store.user_names(["undefined", "1"]).await.unwrap(), pair(None, Some("Pablo")));
        // A room that is in lists only does not exist.
        assert!(!store.room_exists("1:5").await.unwrap());
        assert_eq!(store.rooms_of("1").await.unwrap(), []);
        drop(store);
        let stored = stage.dump().await.records;
        let rooms = [("1", "1:5"), ("1", "1:99"), ("5", "1:5"), ("7", "7:7"), ("99", "1:99")];
        let expected = rooms.map(|(user, room)| format!("{:?}", user_room(user, room)));
        let found: Vec<_> = stored.iter().filter(|record| record.contains("UserRoom")).collect();
        assert_eq!(found, expected.iter().collect::<Vec<_>>());
    });
}

#[test]
fn rooms_of_a_user() {
    on_each_store(async |stage| {
        let rooms = ["0", "1:5", "1:6", "noname", "1:7", "1:2"];
        let mut records = vec![user("1", Some("Pablo"), None)];
        records.extend(rooms.map(|room| user_room("1", room)));
        records.extend([room_name("0", "General"), message("0", 1.0, "a")]);
        records.extend([message("1:5", 1.0, "a"), room_name("1:6", ""), message("1:6", 1.0, "a")]);
        records.extend([room_name("1:7", "Seven"), room_name("1:2", "Two")]);
        stage.put(&records).await;
        let named = |id: &str, name: &str| RoomRow::Named { id: id.into(), name: name.into() };
        let private =
            |id: &str| RoomRow::Private { id: id.into(), names: pair(Some("Pablo"), None) };
        let row = |id: &str| match id {
            "0" => named(id, "General"),
            "1:5" | "1:6" => private(id),
            "1:7" => named(id, "Seven"),
            "1:2" => named(id, "Two"),
            other => panic!("{other}"),
        };
        let rows = stage.store().rooms_of("1").await.unwrap();
        if !stage.is_redis() {
            let expected = ["0", "1:5", "1:6", "1:7", "1:2"].map(row);
            assert_eq!(rows, expected, "in the order of entering");
        }
        assert_eq!(rows.len(), 5);
        for found in rows {
            match &found {
                RoomRow::Named { id, .. } | RoomRow::Private { id, .. } => {
                    assert_eq!(found, row(id));
                }
                RoomRow::Malformed => panic!(),
            }
        }
        assert_eq!(stage.store().rooms_of("nobody").await.unwrap(), []);
    });
}

#[test]
fn rooms_are_listed_whatever_they_are() {
    on_each_store(async |stage| {
        stage.put(&[user_room("1", "0"), user_room("1", "x"), room_name("0", "General")]).await;
        let store = stage.store();
        store.create_private_room("1", "5", "1:5").await.unwrap();
        let mut listed = store.listed_rooms("1").await.unwrap();
        listed.sort();
        assert_eq!(listed, ["0", "1:5", "x"]);
        assert_eq!(store.listed_rooms("7").await.unwrap(), [""; 0]);
        for (user, room, expected) in [
            ("1", "0", true),
            ("1", "x", true),
            ("5", "1:5", true),
            ("5", "0", false),
            ("", "", false),
        ] {
            assert_eq!(store.is_listed(user, room).await.unwrap(), expected, "{user} {room}");
        }
    });
}

#[test]
fn rooms_whose_id_is_not_a_pair() {
    on_each_store(async |stage| {
        let records = [
            user_room("1", "odd"),
            user_room("2", "1:2:3"),
            user_room("3", ":"),
            message("odd", 1.0, "a"),
            message("1:2:3", 1.0, "a"),
            message(":", 1.0, "a"),
            user_room("4", "silent"),
        ];
        stage.put(&records).await;
        let store = stage.store().clone();
        assert_eq!(store.rooms_of("1").await.unwrap(), [RoomRow::Malformed]);
        assert_eq!(store.rooms_of("2").await.unwrap(), [RoomRow::Malformed]);
        let empty = RoomRow::Private { id: ":".into(), names: [None, None] };
        assert_eq!(store.rooms_of("3").await.unwrap(), [empty]);
        assert_eq!(store.rooms_of("4").await.unwrap(), []);
        drop(store);
        stage.put(&[room_name("odd", "Odd")]).await;
        let odd = RoomRow::Named { id: "odd".into(), name: "Odd".into() };
        assert_eq!(stage.store().rooms_of("1").await.unwrap(), [odd]);
    });
}

#[test]
fn preload_of_the_general_room() {
    on_each_store(async |stage| {
        let preload = stage.store().preload().await.unwrap();
        assert_eq!((preload.name, preload.messages), (None, vec![]));
        let mut records = vec![room_name("0", "General")];
        records.extend((10..40).map(|n| message("0", f64::from(n), &n.to_string())));
        stage.put(&records).await;
        let preload = stage.store().preload().await.unwrap();
        assert_eq!(preload.name.as_deref(), Some("General"));
        assert_eq!(preload.messages.len(), 21);
        assert_eq!((&*preload.messages[0], &*preload.messages[20]), (&b"39"[..], &b"19"[..]));
    });
}

#[test]
fn state_of_a_room() {
    on_each_store(async |stage| {
        let records = [message("1", 1.0, "a"), room_name("2", ""), user_room("1", "3")];
        stage.put(&records).await;
        stage.say("2", "1", b"a").await;
        stage.put(&[room_name("4", "")]).await;
        let state = async |room| stage.store().room_state(room).await.unwrap();
        let expected = |named, kind| RoomState { named, kind };
        assert_eq!(state("1").await, expected(false, RoomKind::SortedSet));
        assert_eq!(state("2").await, expected(true, RoomKind::SortedSet));
        assert_eq!(state("3").await, expected(false, RoomKind::Absent));
        assert_eq!(state("4").await, expected(true, RoomKind::Absent));
    });
}
