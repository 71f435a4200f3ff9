//! The verbs of the Redis store, each against a Redis of its own (`http-and-redis.md` sections 2, 6,
//! 7, 8 and 11).

mod support;

use std::collections::HashSet;

use futures_util::future::join_all;
use redis::pipe;
use redis_chat_server::store::{
    Login, Registration, RoomKind, RoomRow, RoomState, Store, StoreError, User,
    redis::{RedisStore, link::Link},
};
use support::{PATIENCE, RedisServer, client, on_loop};

async fn store(server: &RedisServer) -> Store {
    let link = Link::start(client(&server.endpoint(), &[]), PATIENCE).await.unwrap();
    Store::Redis(RedisStore::new(link.clone(), link, "test"))
}

/// Starts a Redis, runs these commands on it, and then the test.
fn with_store(commands: &[&str], test: impl AsyncFnOnce(&RedisServer, Store)) {
    let server = RedisServer::start(&[]);
    for command in commands {
        let reply = server.cli(&command.split(' ').collect::<Vec<_>>());
        assert!(!reply.contains("ERR"), "{command}: {reply}");
    }
    on_loop(async { test(&server, store(&server).await).await });
}

#[track_caller]
fn assert_refused<T: std::fmt::Debug>(outcome: Result<T, StoreError>, text: &str) {
    match outcome {
        Err(StoreError::Refused(why)) if why.contains(text) => {}
        other => panic!("not refused with '{text}': {other:?}"),
    }
}

fn user(name: &str, online: bool) -> Option<User> {
    Some(User { username: Some(name.into()), online })
}

#[test]
fn sessions_live_and_die() {
    with_store(&["SADD sess:set x", "SET sess:empty "], async |server, store| {
        let ttl = |sid: &str| server.cli(&["TTL", &format!("sess:{sid}")]).parse::<i64>().unwrap();
        assert_eq!(store.session_load("a").await.unwrap(), None);
        assert_eq!(store.session_peek("a").await.unwrap(), None);
        assert!(!store.session_replace("a", "{}", 60).await.unwrap());
        assert_eq!(store.session_peek("a").await.unwrap(), None, "replacing must not create");

        store.session_create("a", r#"{"n":"ü"}"#, 100).await.unwrap();
        assert!((99..=100).contains(&ttl("a")));
        let document = Some(r#"{"n":"ü"}"#.as_bytes().to_vec());
        assert_eq!(store.session_peek("a").await.unwrap(), document);
        assert!((98..=100).contains(&ttl("a")), "a peek renews nothing");
        assert_eq!(store.session_load("a").await.unwrap(), document);
        assert!((86_390..=86_400).contains(&ttl("a")), "a load renews");

        assert!(store.session_replace("a", "new", 50).await.unwrap());
        assert_eq!(store.session_peek("a").await.unwrap(), Some(b"new".to_vec()));
        assert!((48..=50).contains(&ttl("a")));
        store.session_delete("a").await.unwrap();
        store.session_delete("a").await.unwrap();
        assert_eq!(store.session_load("a").await.unwrap(), None);
        assert!(!store.session_replace("a", "late", 50).await.unwrap(), "a logout stands");

        assert_refused(store.session_load("set").await, "WRONGTYPE");
        assert_refused(store.session_peek("set").await, "WRONGTYPE");
        assert_eq!(server.cli(&["TTL", "sess:set"]), "-1");
        assert_eq!(store.session_load("empty").await.unwrap(), Some(vec![]));
        // Odd ids are just bytes of a key.
        store.session_create("a b/ü\r\n.x", "1", 9).await.unwrap();
        assert_eq!(store.session_load("a b/ü\r\n.x").await.unwrap(), Some(b"1".to_vec()));
    });
}

#[test]
fn registration_writes_the_originals_keys() {
    with_store(&["SET total_users 5"], async |server, store| {
        assert_eq!(store.find_login("zoe").await.unwrap(), None);
        assert_eq!(store.create_user("zoe", "$2b$x").await.unwrap(), Registration::Created(6));
        assert_eq!(server.cli(&["GET", "total_users"]), "6");
        assert_eq!(server.cli(&["GET", "username:zoe"]), "user:6");
        assert_eq!(server.cli(&["HGETALL", "user:6"]), "username\nzoe\npassword\n$2b$x");
        assert_eq!(server.cli(&["SMEMBERS", "user:6:rooms"]), "0");
        assert_eq!(server.cli(&["DBSIZE"]), "4");

        assert_eq!(store.create_user("zoe", "other").await.unwrap(), Registration::Taken);
        assert_eq!(server.cli(&["GET", "total_users"]), "6");
        let login = Login { id: "6".into(), password_hash: Some("$2b$x".into()) };
        assert_eq!(store.find_login("zoe").await.unwrap(), Some(login));
        assert_eq!(store.find_login("Zoe").await.unwrap(), None);

        for (name, id) in [("", 7), ("a:b c\n", 8), ("ü💬", 9)] {
            let created = Registration::Created(id);
            assert_eq!(store.create_user(name, "h").await.unwrap(), created, "{name}");
            assert_eq!(store.find_login(name).await.unwrap().unwrap().id, id.to_string());
            assert_eq!(store.users(&[id.to_string()]).await.unwrap(), [user(name, false)]);
        }
    });
}

#[test]
fn a_first_user_gets_id_1_and_large_ids_stay_exact() {
    with_store(&[], async |server, store| {
        assert_eq!(store.create_user("a", "h").await.unwrap(), Registration::Created(1));
        server.cli(&["SET", "total_users", "123456789012345"]);
        let created = Registration::Created(123_456_789_012_346);
        assert_eq!(store.create_user("b", "h").await.unwrap(), created);
        assert_eq!(server.cli(&["GET", "username:b"]), "user:123456789012346");
        assert_eq!(server.cli(&["EXISTS", "user:123456789012346"]), "1");
    });
}

#[test]
fn a_registration_that_fails_writes_no_user() {
    let commands = ["SET total_users many", "SADD user:8 x", "SET user:10:rooms x"];
    with_store(&commands, async |server, store| {
        assert_refused(store.create_user("a", "h").await, "not an integer");
        server.cli(&["SET", "total_users", "7"]);
        assert_refused(store.create_user("a", "h").await, "WRONGTYPE user:8");
        server.cli(&["SET", "total_users", "9"]);
        assert_refused(store.create_user("a", "h").await, "WRONGTYPE user:10:rooms");
        assert_eq!(server.cli(&["KEYS", "username:*"]), "");
        assert_eq!(server.cli(&["KEYS", "user:*"]).lines().count(), 2);
        assert_eq!(store.create_user("a", "h").await.unwrap(), Registration::Created(11));
    });
}

#[test]
fn a_full_redis_refuses_and_writes_nothing() {
    with_store(&[], async |server, store| {
        server.cli(&["CONFIG", "SET", "maxmemory", "1"]);
        assert_refused(store.create_user("a", "h").await, "OOM");
        assert_refused(store.session_create("a", "x", 9).await, "OOM");
        assert_eq!(server.cli(&["DBSIZE"]), "0");
    });
}

#[test]
fn logins_follow_whatever_the_name_refers_to() {
    let commands = [
        "SET username:lost user:99",
        "SET username:bare user:3",
        "HSET user:3 username bare",
        "SET username:plain someone",
        "HSET someone password p",
        "SET username:deep a:b:77",
        "HSET a:b:77 password q",
        "SET username:nothing ",
        "SET username:set aset",
        "SADD aset x",
        "SADD username:wrong x",
    ];
    with_store(&commands, async |_, store| {
        let login = |id: &str, hash: Option<&str>| {
            Some(Login { id: id.into(), password_hash: hash.map(Into::into) })
        };
        assert_eq!(store.find_login("lost").await.unwrap(), login("99", None));
        assert_eq!(store.find_login("bare").await.unwrap(), login("3", None));
        assert_eq!(store.find_login("plain").await.unwrap(), login("someone", Some("p")));
        assert_eq!(store.find_login("deep").await.unwrap(), login("77", Some("q")));
        assert_eq!(store.find_login("nothing").await.unwrap(), login("", None));
        assert_refused(store.find_login("set").await, "WRONGTYPE");
        assert_refused(store.find_login("wrong").await, "WRONGTYPE");
    });
}

#[test]
fn fifty_registrations_at_once() {
    with_store(&[], async |server, store| {
        // Several connections, as several servers have.
        let stores = [store, self::store(server).await, self::store(server).await];
        let same = (0..50).map(|n| stores[n % 3].create_user("same", "h"));
        let outcomes = join_all(same).await.into_iter().map(Result::unwrap);
        let (created, taken): (Vec<_>, Vec<_>) =
            outcomes.partition(|outcome| *outcome != Registration::Taken);
        assert_eq!((created, taken.len()), (vec![Registration::Created(1)], 49));

        let names: Vec<String> = (0..50).map(|n| format!("user {n}")).collect();
        let each = names.iter().enumerate().map(|(n, name)| stores[n % 3].create_user(name, "h"));
        let ids: HashSet<i64> = join_all(each)
            .await
            .into_iter()
            .map(|outcome| match outcome.unwrap() {
                Registration::Created(id) => id,
                Registration::Taken => panic!("taken"),
            })
            .collect();
        assert_eq!(ids, (2..=51).collect());
        assert_eq!(server.cli(&["GET", "total_users"]), "51");
        for (n, name) in names.iter().enumerate() {
            let login = stores[n % 3].find_login(name).await.unwrap().unwrap();
            assert_eq!(server.cli(&["HGET", &format!("user:{}", login.id), "username"]), *name);
        }
    });
}

#[test]
fn users_by_id() {
    let commands = [
        "HSET user:1 username Pablo password p",
        "HSET user:2 password p",
        "HSET user:3 password p username Joe more x",
        "SADD user:1:rooms 0",
        "SADD online_users 1 2 77",
    ];
    with_store(&commands, async |server, store| {
        let ids = ["3", "1", "99", "2", "", "01", "1:rooms", "1"].map(String::from);
        let nameless = Some(User { username: None, online: true });
        let pablo = user("Pablo", true);
        let joe = user("Joe", false);
        let all = [joe, pablo.clone(), None, nameless, None, None, None, pablo];
        assert_eq!(store.users(&ids).await.unwrap(), all);
        assert_eq!(store.users(&[]).await.unwrap(), []);

        let many: Vec<String> = (0..5_000).map(|n| n.to_string()).collect();
        let found = store.users(&many).await.unwrap();
        assert_eq!(found.len(), 5_000);
        assert_eq!(found.iter().flatten().count(), 3);

        server.cli(&["DEL", "online_users"]);
        assert_eq!(store.users(&ids[1..2]).await.unwrap(), [user("Pablo", false)]);
        server.cli(&["SET", "online_users", "x"]);
        assert_refused(store.users(&ids).await, "WRONGTYPE");
    });
}

#[test]
fn users_who_are_online() {
    let commands = [
        "HSET user:1 username Pablo",
        "HSET user:2 password p",
        "SADD user:1:rooms 0",
        "SADD online_users 1 2 77 1:rooms",
    ];
    with_store(&commands, async |server, store| {
        let mut found = store.online_users().await.unwrap();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        let pablo = User { username: Some("Pablo".into()), online: true };
        let nameless = User { username: None, online: true };
        assert_eq!(found, [("1".to_owned(), pablo), ("2".to_owned(), nameless)]);
        server.cli(&["DEL", "online_users"]);
        assert_eq!(store.online_users().await.unwrap(), []);
        server.cli(&["SET", "online_users", "x"]);
        assert_refused(store.online_users().await, "WRONGTYPE");
    });
}

#[test]
fn private_rooms_are_made() {
    let commands = ["HSET user:1 username Pablo", "HSET user:5 username zoe", "SET user:9:rooms x"];
    with_store(&commands, async |server, store| {
        let names = |a: Option<&str>, b: Option<&str>| [a.map(String::from), b.map(String::from)];
        for _ in 0..2 {
            let made = store.create_private_room("5", "1", "1:5").await.unwrap();
            assert_eq!(made, names(Some("zoe"), Some("Pablo")));
        }
        assert_eq!(server.cli(&["SMEMBERS", "user:1:rooms"]), "1:5");
        assert_eq!(server.cli(&["SMEMBERS", "user:5:rooms"]), "1:5");
        let made = store.create_private_room("1", "99", "1:99").await.unwrap();
        assert_eq!(made, names(Some("Pablo"), None));
        assert_eq!(server.cli(&["SMEMBERS", "user:99:rooms"]), "1:99");
        assert_refused(store.create_private_room("1", "9", "1:9").await, "WRONGTYPE");

        assert_eq!(store.user_names(["5", "1"]).await.unwrap(), names(Some("zoe"), Some("Pablo")));
        assert_eq!(store.user_names(["undefined", "1"]).await.unwrap(), names(None, Some("Pablo")));
        assert_refused(store.user_names(["1", "9:rooms"]).await, "WRONGTYPE");
    });
}

#[test]
fn rooms_of_a_user() {
    let commands = [
        "HSET user:1 username Pablo",
        "SET user:2 x",
        "SADD user:1:rooms 0 1:5 1:6 noname 1:7 1:2",
        "SET room:0:name General",
        "ZADD room:0 1 a",
        "ZADD room:1:5 1 a",
        "SET room:1:6:name ",
        "ZADD room:1:6 1 a",
        "SET room:1:7:name Seven",
        "SET room:1:2:name Two",
    ];
    with_store(&commands, async |server, store| {
        let order: Vec<String> =
            server.cli(&["SMEMBERS", "user:1:rooms"]).lines().map(Into::into).collect();
        let rows = store.rooms_of("1").await.unwrap();
        let named = |id: &str, name: &str| RoomRow::Named { id: id.into(), name: name.into() };
        let private =
            |id: &str| RoomRow::Private { id: id.into(), names: [Some("Pablo".into()), None] };
        let row = |id: &str| match id {
            "0" => Some(named("0", "General")),
            "1:5" | "1:6" => Some(private(id)),
            "1:7" => Some(named("1:7", "Seven")),
            // The wrong type of user:2 does not matter where no names are needed.
            "1:2" => Some(named("1:2", "Two")),
            _ => None,
        };
        let expected: Vec<RoomRow> = order.iter().filter_map(|id| row(id)).collect();
        assert_eq!(rows, expected);

        assert_eq!(store.rooms_of("nobody").await.unwrap(), []);
        server.cli(&["DEL", "room:1:5:name"]);
        server.cli(&["SADD", "room:1:5:name", "x"]);
        assert_refused(store.rooms_of("1").await, "WRONGTYPE");
        server.cli(&["DEL", "room:1:5:name"]);
        server.cli(&["ZADD", "room:1:2", "1", "a"]);
        server.cli(&["DEL", "room:1:2:name"]);
        assert_refused(store.rooms_of("1").await, "WRONGTYPE");
        server.cli(&["SET", "user:3:rooms", "x"]);
        assert_refused(store.rooms_of("3").await, "WRONGTYPE");
    });
}

#[test]
fn rooms_whose_id_is_not_a_pair() {
    let commands = [
        "SADD user:1:rooms odd",
        "SADD user:2:rooms 1:2:3",
        "SADD user:3:rooms :",
        "ZADD room:odd 1 a",
        "ZADD room:1:2:3 1 a",
        "SET room:: x",
    ];
    with_store(&commands, async |server, store| {
        assert_eq!(store.rooms_of("1").await.unwrap(), [RoomRow::Malformed]);
        assert_eq!(store.rooms_of("2").await.unwrap(), [RoomRow::Malformed]);
        let empty = RoomRow::Private { id: ":".into(), names: [None, None] };
        assert_eq!(store.rooms_of("3").await.unwrap(), [empty]);
        server.cli(&["SET", "room:odd:name", "Odd"]);
        let odd = RoomRow::Named { id: "odd".into(), name: "Odd".into() };
        assert_eq!(store.rooms_of("1").await.unwrap(), [odd]);
        server.cli(&["DEL", "room:odd:name", "room:odd"]);
        assert_eq!(store.rooms_of("1").await.unwrap(), []);
    });
}

#[test]
fn history_of_a_room() {
    let commands = ["ZADD room:1:2 1 a 2 b 3 c 3 d 4 e", "SADD room:set x"];
    with_store(&commands, async |server, store| {
        let history = async |start, stop| {
            let found = store.history("1:2", start, stop).await.unwrap().unwrap();
            String::from_utf8(found.concat()).unwrap()
        };
        assert_eq!(history(0, 2).await, "edc");
        assert_eq!(history(0, -1).await, "edcba");
        assert_eq!(history(-2, -1).await, "ba");
        assert_eq!(history(3, 100).await, "ba");
        assert_eq!(history(9, 20).await, "");
        assert_eq!(history(2, 1).await, "");
        assert_eq!(history(i64::MIN, i64::MAX).await, "edcba");
        assert_eq!(store.history("nowhere", 0, 15).await.unwrap(), None);
        assert_refused(store.history("set", 0, 15).await, "WRONGTYPE");
        assert!(store.room_exists("1:2").await.unwrap());
        assert!(store.room_exists("set").await.unwrap());
        assert!(!store.room_exists("nowhere").await.unwrap());

        // Members are bytes, whatever they are.
        let Store::Redis(redis) = &store;
        let mut odd = pipe();
        odd.cmd("ZADD").arg("room:odd").arg(1).arg(b"\xff\x00\r\n");
        redis.link().query(&odd).await.unwrap();
        let found = store.history("odd", 0, 0).await.unwrap();
        assert_eq!(found, Some(vec![b"\xff\x00\r\n".to_vec()]));
        server.cli(&["FLUSHALL"]);
        assert_eq!(store.history("1:2", 0, 15).await.unwrap(), None);
    });
}

#[test]
fn preload_of_the_general_room() {
    with_store(&[], async |server, store| {
        let preload = store.preload().await.unwrap();
        assert_eq!((preload.name, preload.messages), (None, vec![]));
        server.cli(&["SET", "room:0:name", "General"]);
        for n in 10..40 {
            server.cli(&["ZADD", "room:0", &n.to_string(), &n.to_string()]);
        }
        let preload = store.preload().await.unwrap();
        assert_eq!(preload.name.as_deref(), Some("General"));
        assert_eq!(preload.messages.len(), 21);
        assert_eq!((&*preload.messages[0], &*preload.messages[20]), (&b"39"[..], &b"19"[..]));
        server.cli(&["DEL", "room:0"]);
        server.cli(&["SADD", "room:0", "x"]);
        assert_refused(store.preload().await, "WRONGTYPE");
    });
}

#[test]
fn state_of_a_room() {
    let commands = ["ZADD room:1 1 a", "SET room:2:name ", "SADD room:2 x", "LPUSH room:3:name x"];
    with_store(&commands, async |_, store| {
        let state = async |room| store.room_state(room).await.unwrap();
        let expected = |named, kind| RoomState { named, kind };
        assert_eq!(state("1").await, expected(false, RoomKind::SortedSet));
        assert_eq!(state("2").await, expected(true, RoomKind::Other));
        assert_eq!(state("3").await, expected(true, RoomKind::Absent));
        assert_eq!(state("4").await, expected(false, RoomKind::Absent));
    });
}

#[test]
fn what_is_no_utf8_is_read_as_node_reads_it() {
    with_store(&[], async |_, store| {
        let Store::Redis(redis) = &store;
        let mut odd = pipe();
        odd.cmd("HSET").arg("user:1").arg("username").arg(b"a\xffb\xe2\x82");
        odd.cmd("SADD").arg("online_users").arg(1).arg(b"\xff");
        odd.cmd("HSET").arg("user:\u{fffd}").arg("username").arg("by its text");
        redis.link().query(&odd).await.unwrap();
        assert_eq!(store.users(&["1".into()]).await.unwrap(), [user("a\u{fffd}b\u{fffd}", true)]);
        let online = store.online_users().await.unwrap();
        let text = online.iter().find(|(id, _)| id == "\u{fffd}").unwrap();
        assert_eq!(text.1.username.as_deref(), Some("by its text"));
    });
}
