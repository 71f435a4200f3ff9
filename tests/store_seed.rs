//! What only a Redis can do to the demo data (`http-and-redis.md` section 11). The data itself is in
//! `store/seed.rs`.

mod support;

use redis_chat_server::store::{StoreError, redis::seed::seed};
use support::{PATIENCE, RedisServer, client, on_loop};

async fn hashes() -> Result<[String; 4], StoreError> {
    Ok(["h1", "h2", "h3", "h4"].map(String::from))
}

async fn no_hashes() -> Result<[String; 4], StoreError> {
    panic!("hashed without need");
}

#[test]
fn the_demo_data_has_the_originals_keys() {
    let server = RedisServer::start(&[]);
    let client = client(&server.endpoint(), &[]);
    on_loop(async { assert!(seed(&client, PATIENCE, hashes).await.unwrap()) });
    // total_users, room:0 and its name; three keys a user; six rooms of two.
    assert_eq!(server.cli(&["DBSIZE"]), (3 + 3 * 4 + 6).to_string());
    assert_eq!(server.cli(&["GET", "total_users"]), "4");
    assert_eq!(server.cli(&["GET", "room:0:name"]), "General");
    assert_eq!(server.cli(&["GET", "username:Mary"]), "user:3");
    assert_eq!(server.cli(&["HGETALL", "user:3"]), "username\nMary\npassword\nh3");
    assert_eq!(server.cli_sorted(&["SMEMBERS", "user:3:rooms"]), ["0", "1:3", "2:3", "3:4"]);
    assert_eq!(server.cli(&["ZCARD", "room:3:4"]), "2");
    // The score is the text of the date.
    let message = server.cli(&["ZRANGE", "room:0", "0", "0", "WITHSCORES"]);
    let (json, score) = message.split_once('\n').unwrap();
    assert!(json.contains(&format!(r#""date":{score},"message":"Hello!""#)), "{message}");
}

#[test]
fn a_full_redis_is_not_seeded() {
    let server = RedisServer::start(&[]);
    let client = client(&server.endpoint(), &[]);
    on_loop(async {
        server.cli(&["CONFIG", "SET", "maxmemory", "1"]);
        match seed(&client, PATIENCE, hashes).await {
            Err(StoreError::Refused(why)) => assert!(why.contains("OOM"), "{why}"),
            other => panic!("{other:?}"),
        }
        assert_eq!(server.cli(&["DBSIZE"]), "0");
        server.cli(&["CONFIG", "SET", "maxmemory", "0"]);
        assert!(seed(&client, PATIENCE, hashes).await.unwrap());
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
