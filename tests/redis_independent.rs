//! What the store writes to Redis, read by another client library than the server's own
//! (`http-and-redis.md` sections 6 to 10).

mod support;

use std::collections::HashMap;

use fred::{
    prelude::*,
    types::{Message, config::Config as FredConfig},
};
use redis_chat_server::{
    contract::envelope,
    store::{
        Registration, Store,
        commit::{Commit, Outcome, StoredMessage},
        redis::{RedisStore, link::Link},
    },
};
use support::{PATIENCE, RedisServer, client, on_loop};
use tokio::{sync::oneshot, time::timeout};

async fn store(server: &RedisServer) -> Store {
    let link = || Link::start(client(&server.endpoint(), &[]), PATIENCE);
    Store::Redis(RedisStore::new(link().await.unwrap(), link().await.unwrap(), "test"))
}

async fn reader(server: &RedisServer) -> Client {
    let config = FredConfig::from_url(&format!("redis://{}", server.endpoint())).unwrap();
    let reader = Builder::from_config(config).build().unwrap();
    reader.init().await.unwrap();
    reader
}

#[test]
fn users_and_sessions_are_found() {
    let server = RedisServer::start(&[]);
    on_loop(async {
        let (store, reader) = (store(&server).await, reader(&server).await);
        let made = store.create_user("Zoë \u{1f600}", "$2b$10$hash").await.unwrap();
        assert_eq!(made, Registration::Created(1));
        let id: i64 = reader.get("total_users").await.unwrap();
        let key: String = reader.get("username:Zoë \u{1f600}").await.unwrap();
        let user: HashMap<String, String> = reader.hgetall("user:1").await.unwrap();
        let rooms: Vec<String> = reader.smembers("user:1:rooms").await.unwrap();
        assert_eq!((id, key.as_str(), rooms), (1, "user:1", vec!["0".to_owned()]));
        assert_eq!((user.len(), user["username"].as_str()), (2, "Zoë \u{1f600}"));
        assert_eq!(user["password"], "$2b$10$hash");

        store.session_create("sid", r#"{"cookie":{}}"#, 100).await.unwrap();
        let text: String = reader.get("sess:sid").await.unwrap();
        let life: i64 = reader.ttl("sess:sid").await.unwrap();
        assert_eq!(text, r#"{"cookie":{}}"#);
        assert!((98..=100).contains(&life));

        // And the other way.
        let _: () = reader.hset("user:7", ("username", "Ada")).await.unwrap();
        let _: () = reader.sadd("online_users", "7").await.unwrap();
        let users = store.users(&["7".into()]).await.unwrap();
        let ada = users[0].as_ref().unwrap();
        assert_eq!((ada.username.as_deref(), ada.online), (Some("Ada"), true));
    });
}

#[test]
fn a_commit_is_stored_and_announced() {
    let server = RedisServer::start(&[]);
    on_loop(async {
        let (store, reader) = (store(&server).await, reader(&server).await);
        let ears = reader.clone_new();
        ears.init().await.unwrap();
        let mut heard = ears.message_rx();
        ears.subscribe("MESSAGES").await.unwrap();

        let member = br#"{"from":"1","date":1.5,"message":"x","roomId":"1:2"}"#.to_vec();
        let envelope = envelope::encode("me:1", "message", &member);
        let message =
            StoredMessage { room: "1:2".into(), score: "1.5".into(), member: member.clone() };
        let commit = Commit {
            online: vec!["1".into()],
            message: Some(message),
            publish: vec![envelope.clone()],
            ..Commit::default()
        };
        let (done, outcome) = oneshot::channel();
        store.commit(commit, Box::new(move |outcome| done.send(outcome).unwrap()));
        assert_eq!(
            outcome.await.unwrap(),
            Outcome::Done { room_was_new: true, online_changed: Some(true) }
        );

        let found: Vec<(Vec<u8>, f64)> =
            reader.zrange("room:1:2", 0, -1, None, false, None, true).await.unwrap();
        assert_eq!(found, [(member, 1.5)]);
        let online: Vec<String> = reader.smembers("online_users").await.unwrap();
        assert_eq!(online, ["1"]);
        let message: Message = timeout(PATIENCE, heard.recv()).await.unwrap().unwrap();
        assert_eq!(message.value.as_bytes().unwrap(), envelope);

        let history = store.history("1:2", 0, 10).await.unwrap().unwrap();
        assert_eq!(history.len(), 1);
    });
}
