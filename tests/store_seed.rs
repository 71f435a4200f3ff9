//! The demo data (`http-and-redis.md` section 11).

mod support;

use std::{
    cell::Cell,
    collections::HashSet,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use redis_chat_server::store::{StoreError, redis::seed::seed, seed::PASSWORD};
use support::{PATIENCE, RedisServer, client, on_loop};

const NAMES: [&str; 4] = ["Pablo", "Joe", "Mary", "Alex"];

async fn hashes() -> Result<[String; 4], StoreError> {
    Ok(["h1", "h2", "h3", "h4"].map(String::from))
}

async fn no_hashes() -> Result<[String; 4], StoreError> {
    panic!("hashed without need");
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// The members of a room with their scores, oldest first.
fn messages(server: &RedisServer, room: &str) -> Vec<(String, String)> {
    let key = format!("room:{room}");
    let text = server.cli(&["ZRANGE", &key, "0", "-1", "WITHSCORES"]);
    let lines: Vec<&str> = text.lines().collect();
    lines.chunks_exact(2).map(|pair| (pair[0].to_owned(), pair[1].to_owned())).collect()
}

#[test]
fn an_empty_store_gets_the_demo_data_once() {
    let server = RedisServer::start(&[]);
    let client = client(&server.endpoint(), &[]);
    let before = now();
    on_loop(async {
        assert!(seed(&client, PATIENCE, hashes).await.unwrap());
        let keys = server.cli_sorted(&["KEYS", "*"]);
        assert!(!seed(&client, PATIENCE, no_hashes).await.unwrap());
        assert_eq!(server.cli_sorted(&["KEYS", "*"]), keys);
        // total_users, room:0 and its name; three keys a user; six rooms of two.
        assert_eq!(keys.len(), 3 + 3 * 4 + 6);
    });
    let after = now();

    assert_eq!(server.cli(&["GET", "total_users"]), "4");
    assert_eq!(server.cli(&["GET", "room:0:name"]), "General");
    let rooms = [
        ["0", "1:2", "1:3", "1:4"],
        ["0", "1:2", "2:3", "2:4"],
        ["0", "1:3", "2:3", "3:4"],
        ["0", "1:4", "2:4", "3:4"],
    ];
    for (n, name) in NAMES.iter().enumerate() {
        let id = n + 1;
        assert_eq!(server.cli(&["GET", &format!("username:{name}")]), format!("user:{id}"));
        let hash = server.cli(&["HGETALL", &format!("user:{id}")]);
        assert_eq!(hash, format!("username\n{name}\npassword\nh{id}"));
        assert_eq!(server.cli_sorted(&["SMEMBERS", &format!("user:{id}:rooms")]), rooms[n]);
    }

    for room in ["1:2", "1:3", "1:4", "2:3", "2:4", "3:4"] {
        let found = messages(&server, room);
        let mut senders = HashSet::new();
        for (json, score) in &found {
            let rest = json.strip_prefix(r#"{"from":"#).unwrap();
            let (from, rest) = rest.split_once(r#","date":"#).unwrap();
            let (date, rest) = rest.split_once(r#","message":""#).unwrap();
            let (text, rest) = rest.split_once(r#"","roomId":""#).unwrap();
            assert_eq!(rest, format!(r#"{room}"}}"#));
            assert!(["Hello", "Hi", "Yo", "Hola"].contains(&text), "{json}");
            let (date, score): (f64, f64) = (date.parse().unwrap(), score.parse().unwrap());
            assert_eq!(date, score, "{json}");
            assert!(date > before as f64 - 222.0 && date <= after as f64, "{json}");
            senders.insert(from.to_owned());
        }
        let both: HashSet<String> = room.split(':').map(Into::into).collect();
        assert_eq!((found.len(), senders), (2, both), "one greeting of each");
    }

    let general = messages(&server, "0");
    let texts = [
        "Hello!",
        "Hi, How are you? What about our next meeting?",
        "Yeah everything is fine",
        "Next meeting tomorrow 10.00AM",
        "Wow that's great",
    ];
    assert_eq!(general.len(), texts.len());
    let start: u64 = general[0].1.parse().unwrap();
    assert!((before - 1000..=after - 1000).contains(&start));
    for (n, ((json, score), text)) in general.iter().zip(texts).enumerate() {
        let date = start + 200 * n as u64;
        assert_eq!(*score, date.to_string());
        let one_of_four = (1..=4).any(|from| {
            *json == format!(r#"{{"from":{from},"date":{date},"message":"{text}","roomId":"0"}}"#)
        });
        assert!(one_of_four, "{json}");
    }
}

#[test]
fn only_the_counter_says_whether_a_store_is_empty() {
    let server = RedisServer::start(&[]);
    let client = client(&server.endpoint(), &[]);
    on_loop(async {
        server.cli(&["SET", "total_users", "0"]);
        assert!(!seed(&client, PATIENCE, no_hashes).await.unwrap());
        assert_eq!(server.cli(&["DBSIZE"]), "1");
        server.cli(&["DEL", "total_users"]);
        // What is there already is added to, and online users stay.
        server.cli(&["SADD", "online_users", "9"]);
        server.cli(&["SADD", "user:1:rooms", "1:9"]);
        assert!(seed(&client, PATIENCE, hashes).await.unwrap());
        assert_eq!(server.cli(&["SMEMBERS", "online_users"]), "9");
        assert_eq!(server.cli(&["SCARD", "user:1:rooms"]), "5");
    });
}

#[test]
fn of_two_servers_at_once_one_seeds() {
    for _ in 0..5 {
        let server = RedisServer::start(&[]);
        let client = client(&server.endpoint(), &[]);
        on_loop(async {
            // Both are past the look before either writes.
            let both = tokio::sync::Barrier::new(2);
            let slow = async || {
                both.wait().await;
                hashes().await
            };
            let first = seed(&client, PATIENCE, slow);
            let second = seed(&client, PATIENCE, slow);
            let (first, second) = tokio::join!(first, second);
            assert!(first.unwrap() != second.unwrap(), "exactly one");
            assert_eq!(server.cli(&["GET", "total_users"]), "4");
            assert_eq!(server.cli(&["DBSIZE"]), "21");
        });
    }
}

#[test]
fn a_seeding_that_fails_leaves_nothing() {
    let server = RedisServer::start(&[]);
    let client = client(&server.endpoint(), &[]);
    on_loop(async {
        let fails = async || Err(StoreError::Refused("no hashes".into()));
        assert!(seed(&client, PATIENCE, fails).await.is_err());
        assert_eq!(server.cli(&["DBSIZE"]), "0");

        // A server that is gone in the middle.
        let asked = Cell::new(false);
        let never = async || {
            asked.set(true);
            std::future::pending().await
        };
        let limit = Duration::from_millis(300);
        assert!(tokio::time::timeout(limit, seed(&client, PATIENCE, never)).await.is_err());
        assert!(asked.get());
        assert_eq!(server.cli(&["DBSIZE"]), "0");

        server.cli(&["CONFIG", "SET", "maxmemory", "1"]);
        match seed(&client, PATIENCE, hashes).await {
            Err(StoreError::Refused(why)) => assert!(why.contains("OOM"), "{why}"),
            other => panic!("{other:?}"),
        }
        assert_eq!(server.cli(&["DBSIZE"]), "0");
        server.cli(&["CONFIG", "SET", "maxmemory", "0"]);
        assert!(seed(&client, PATIENCE, hashes).await.unwrap());
        assert_eq!(PASSWORD, "password123");
    });
}

#[test]
fn a_redis_that_goes_away_during_the_hashing_fails_the_seeding() {
    let mut server = RedisServer::start(&[]);
    let client = client(&server.endpoint(), &[]);
    on_loop(async {
        let outcome = seed(&client, PATIENCE, async || {
            server.kill();
            hashes().await
        });
        assert!(matches!(outcome.await, Err(StoreError::Unavailable(_))));
        assert!(matches!(
            seed(&client, PATIENCE, no_hashes).await,
            Err(StoreError::Unavailable(why)) if why.contains("nothing listens")
        ));
    });
}
