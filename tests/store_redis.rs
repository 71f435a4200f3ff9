//! What only the store on Redis has: the original's keys, and keys of other types than they should be
//! (`http-and-redis.md` sections 6, 7, 8 and 14). The verbs as such are in `store.rs`.

mod support;

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
fn sessions_live_as_long_as_their_keys() {
    with_store(&["SADD sess:set x"], async |server, store| {
        let ttl = |sid: &str| server.cli(&["TTL", &format!("sess:{sid}")]).parse::<i64>().unwrap();
        store.session_create("a", "{}", 100).await.unwrap();
        assert!((99..=100).contains(&ttl("a")));
        assert!(store.session_peek("a").await.unwrap().is_some());
        assert!((98..=100).contains(&ttl("a")), "a peek renews nothing");
        assert!(store.session_load("a").await.unwrap().is_some());
        assert!((86_390..=86_400).contains(&ttl("a")), "a load renews");
        assert!(store.session_replace("a", "new", 50).await.unwrap());
        assert!((48..=50).contains(&ttl("a")));

        assert_refused(store.session_load("set").await, "WRONGTYPE");
        assert_refused(store.session_peek("set").await, "WRONGTYPE");
        assert_eq!(server.cli(&["TTL", "sess:set"]), "-1");
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
    });
}

#[test]
fn large_ids_stay_exact() {
    with_store(&["SET total_users 123456789012345"], async |server, store| {
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
        assert_eq!(store.find_login("plain").await.unwrap(), login("someone", Some("p")));
        assert_eq!(store.find_login("deep").await.unwrap(), login("77", Some("q")));
        assert_eq!(store.find_login("nothing").await.unwrap(), login("", None));
        assert_refused(store.find_login("set").await, "WRONGTYPE");
        assert_refused(store.find_login("wrong").await, "WRONGTYPE");
    });
}

#[test]
fn users_who_share_keys_with_something_else() {
    let commands = [
        "HSET user:1 username Pablo more x",
        "SADD user:1:rooms 0",
        "SET user:9:rooms x",
        "SADD online_users 1 77 1:rooms",
    ];
    with_store(&commands, async |server, store| {
        let ids = ["1:rooms", "1"].map(String::from);
        assert_eq!(store.users(&ids).await.unwrap(), [None, user("Pablo", true)]);
        // With SORT, and where it may not be used.
        for rule in ["+sort", "-sort"] {
            server.cli(&["ACL", "SETUSER", "default", rule]);
            let online = store.online_users().await.unwrap();
            assert_eq!(online, [("1".to_owned(), user("Pablo", true).unwrap())]);
            server.cli(&["DEL", "online_users"]);
            assert_eq!(store.users(&ids[1..]).await.unwrap(), [user("Pablo", false)]);
            assert_eq!(store.online_users().await.unwrap(), []);
            server.cli(&["SET", "online_users", "x"]);
            assert_refused(store.users(&ids).await, "WRONGTYPE");
            assert_refused(store.online_users().await, "WRONGTYPE");
            server.cli(&["DEL", "online_users"]);
            server.cli(&["SADD", "online_users", "1", "77", "1:rooms"]);
        }

        assert_refused(store.create_private_room("1", "9", "1:9").await, "WRONGTYPE");
        assert_refused(store.user_names(["1", "9:rooms"]).await, "WRONGTYPE");
    });
}

#[test]
fn who_is_online_is_one_command_whatever_their_number() {
    with_store(&[], async |server, store| {
        for id in 1..=500 {
            let Store::Redis(redis) = &store else { panic!("another store") };
            let mut user = pipe();
            user.cmd("HSET").arg(format!("user:{id}")).arg("username").arg(format!("name {id}"));
            user.cmd("SADD").arg("online_users").arg(id);
            redis.link().query(&user).await.unwrap();
        }
        server.cli(&["CONFIG", "RESETSTAT"]);
        assert_eq!(store.online_users().await.unwrap().len(), 500);
        let commands = server.cli(&["INFO", "commandstats"]);
        let calls = |name: &str| commands.contains(&format!("cmdstat_{name}:calls="));
        assert!(commands.contains("cmdstat_sort:calls=1,"), "{commands}");
        assert!(!["smembers", "hget", "type", "exists"].into_iter().any(calls), "{commands}");
    });
}

#[test]
fn rooms_of_a_user_are_one_round_trip_while_they_stay_the_same() {
    with_store(&[], async |server, store| {
        let Store::Redis(redis) = &store else { panic!("another store") };
        for id in 2..=40 {
            let mut room = pipe();
            room.cmd("ZADD").arg(format!("room:1:{id}")).arg(1).arg("{}");
            room.cmd("HSET").arg(format!("user:{id}")).arg("username").arg(format!("name {id}"));
            room.cmd("SADD").arg("user:1:rooms").arg(format!("1:{id}"));
            redis.link().query(&room).await.unwrap();
            assert_eq!(store.rooms_of("1").await.unwrap().len(), id - 1);
        }
        let reads = || {
            let stats = server.cli(&["INFO", "stats"]);
            let reads = stats.lines().find_map(|line| line.strip_prefix("total_reads_processed:"));
            reads.unwrap().trim().parse::<usize>().unwrap()
        };
        let before = reads();
        for _ in 0..200 {
            assert_eq!(store.rooms_of("1").await.unwrap().len(), 39);
        }
        let reads = reads() - before;
        assert!((200..240).contains(&reads), "{reads} reads of 200 round trips");

        let mut fewer = pipe();
        fewer.cmd("DEL").arg("user:1:rooms").cmd("SADD").arg("user:1:rooms").arg("1:7");
        redis.link().query(&fewer).await.unwrap();
        let row = RoomRow::Private { id: "1:7".into(), names: [None, Some("name 7".into())] };
        for _ in 0..2 {
            assert_eq!(store.rooms_of("1").await.unwrap(), std::slice::from_ref(&row));
        }
    });
}

#[test]
fn rooms_of_a_user_in_the_order_of_the_set() {
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
fn rooms_that_are_something_else() {
    with_store(
        &["ZADD room:1:2 1 a", "SADD room:set x", "SADD room:0 x"],
        async |server, store| {
            assert_refused(store.history("set", 0, 15).await, "WRONGTYPE");
            assert!(store.room_exists("set").await.unwrap());
            assert_refused(store.preload().await, "WRONGTYPE");
            assert_eq!(store.history("1:2", 0, 15).await.unwrap(), Some(vec![b"a".to_vec()]));
            server.cli(&["FLUSHALL"]);
            assert_eq!(store.history("1:2", 0, 15).await.unwrap(), None);
        },
    );
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
        let Store::Redis(redis) = &store else { panic!("another store") };
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

#[test]
fn what_others_have_stored_since() {
    let commands = [
        "ZADD room:a 5 old",
        "ZADD room:a 10 x",
        "ZADD room:a 11 y",
        "ZADD room:a 11.5 later",
        "ZADD room:b 10 z",
        "SADD room:c q",
    ];
    with_store(&commands, async |server, store| {
        let rooms = ["a", "b", "c", "d"].map(str::to_owned);
        let behind = |skip| rooms.clone().map(|room| (room, skip));
        let dated = 10.0..=11.0;
        let found = store.messages_dated(&behind(0), &dated, 1).await.unwrap();
        assert_eq!(found, [vec![b"x".to_vec()], vec![b"z".to_vec()], vec![], vec![]]);
        let found = store.messages_dated(&behind(1), &dated, 5).await.unwrap();
        assert_eq!(found, [vec![b"y".to_vec()], vec![], vec![], vec![]]);
        // Of a room that does not exist nothing is older either.
        let begun = store.rooms_begun_after(&rooms, 10.0).await.unwrap();
        assert_eq!(begun, [false, true, false, true]);
        // What may not be read must not pass for empty.
        server.cli(&["ACL", "SETUSER", "default", "-zrangebyscore", "-zcount"]);
        assert_refused(store.messages_dated(&behind(0), &dated, 1).await, "NOPERM");
        assert_refused(store.rooms_begun_after(&rooms, 10.0).await, "NOPERM");
    });
}
