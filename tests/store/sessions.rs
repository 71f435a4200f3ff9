//! Sessions (`http-and-redis.md` section 6).

use std::time::Duration;

use redis_chat_server::{
    chat::user::User,
    contract::session::{Session, Stored},
    store::{Peeked, Renewal, StoreError},
};

use crate::{record::user_room, support::stores::on_each_store};

const DAY: Duration = Duration::from_secs(86_400);

/// A load leaves a life that would only grow by a minute.
#[track_caller]
fn about(life: Duration, expected: Duration) {
    assert!(life <= expected && life + Duration::from_secs(61) > expected, "{life:?}");
}

#[test]
fn sessions_live_and_die() {
    on_each_store(async |stage| {
        let store = stage.store().clone();
        assert_eq!(store.session_load("a").await.unwrap(), None);
        assert_eq!(store.session_peek("a").await.unwrap(), None);
        assert!(!store.session_replace("a", "{}", 60).await.unwrap());
        assert_eq!(store.session_peek("a").await.unwrap(), None, "replacing must not create");

        store.session_create("a", r#"{"n":"ü"}"#, 1_000).await.unwrap();
        let document = Some(r#"{"n":"ü"}"#.as_bytes().to_vec());
        assert_eq!(store.session_peek("a").await.unwrap(), document);
        drop(store);
        about(stage.dump().await.lives["a"], Duration::from_secs(1_000));
        assert_eq!(stage.store().session_load("a").await.unwrap(), document);
        about(stage.dump().await.lives["a"], DAY);

        let store = stage.store().clone();
        // A day is also the most that is left of a longer life.
        store.session_create("long", "x", 1_000_000).await.unwrap();
        assert_eq!(store.session_load("long").await.unwrap(), Some(b"x".to_vec()));
        assert!(store.session_replace("a", "new", 500).await.unwrap());
        assert_eq!(store.session_peek("a").await.unwrap(), Some(b"new".to_vec()));
        store.session_create("a", "over it", 700).await.unwrap();
        assert_eq!(store.session_peek("a").await.unwrap(), Some(b"over it".to_vec()));
        drop(store);
        let lives = stage.dump().await.lives;
        about(lives["a"], Duration::from_secs(700));
        about(lives["long"], DAY);

        let store = stage.store();
        store.session_delete("a", None).await.unwrap();
        store.session_delete("a", None).await.unwrap();
        assert_eq!(store.session_load("a").await.unwrap(), None);
        assert!(!store.session_replace("a", "late", 50).await.unwrap(), "a logout stands");

        store.session_create("empty", "", 50).await.unwrap();
        assert_eq!(store.session_load("empty").await.unwrap(), Some(vec![]));
        // Odd ids are just bytes.
        store.session_create("a b/ü\r\n\0.x", "1", 9).await.unwrap();
        assert_eq!(store.session_load("a b/ü\r\n\0.x").await.unwrap(), Some(b"1".to_vec()));
        assert_eq!(store.session_load("a b/ü\r\n").await.unwrap(), None);
    });
}

#[test]
fn a_session_whose_life_ended_is_gone() {
    on_each_store(async |stage| {
        let store = stage.store();
        store.session_create("short", "x", 1).await.unwrap();
        store.session_create("renewed", "x", 1).await.unwrap();
        assert!(store.session_load("renewed").await.unwrap().is_some());
        assert!(store.session_peek("short").await.unwrap().is_some());
        tokio::time::sleep(Duration::from_millis(1_050)).await;
        assert_eq!(store.session_peek("short").await.unwrap(), None);
        assert_eq!(store.session_load("short").await.unwrap(), None);
        assert!(!store.session_replace("short", "late", 50).await.unwrap());
        assert_eq!(store.session_peek("short").await.unwrap(), None);
        assert_eq!(store.session_load("renewed").await.unwrap(), Some(b"x".to_vec()));
        store.session_create("short", "again", 50).await.unwrap();
        assert_eq!(store.session_peek("short").await.unwrap(), Some(b"again".to_vec()));
        assert_eq!(stage.dump().await.lives.len(), 2);
    });
}

#[test]
fn lives_that_can_not_be_are_refused() {
    on_each_store(async |stage| {
        let store = stage.store();
        store.session_create("a", "x", 50).await.unwrap();
        for seconds in [0, u64::MAX, i64::MAX as u64, i64::MAX as u64 / 1000] {
            let created = store.session_create("b", "y", seconds).await;
            assert!(matches!(created, Err(StoreError::Refused(_))), "{seconds}: {created:?}");
            let replaced = store.session_replace("a", "y", seconds).await;
            assert!(matches!(replaced, Err(StoreError::Refused(_))), "{seconds}: {replaced:?}");
        }
        assert_eq!(store.session_peek("a").await.unwrap(), Some(b"x".to_vec()));
        assert_eq!(store.session_peek("b").await.unwrap(), None);
    });
}

fn renewal(sid: &str, old_sid: &str, seconds: [u64; 2]) -> Renewal {
    let stored = |text: &str, seconds| Stored { text: text.into(), seconds };
    Renewal {
        sid: sid.into(),
        document: stored("new", seconds[0]),
        old_sid: old_sid.into(),
        old_document: stored("left", seconds[1]),
        tell: Some(b"told".to_vec()),
    }
}

#[test]
fn a_renewed_session_has_both_ids() {
    on_each_store(async |stage| {
        let store = stage.store().clone();
        store.session_create("old", "x", 5_000).await.unwrap();
        store.session_renew(renewal("new", "old", [1_000, 60])).await.unwrap();
        assert_eq!(store.session_peek("new").await.unwrap(), Some(b"new".to_vec()));
        assert_eq!(store.session_peek("old").await.unwrap(), Some(b"left".to_vec()));
        store.session_renew(renewal("second", "gone", [1_000, 60])).await.unwrap();
        assert_eq!(store.session_peek("gone").await.unwrap(), None, "a log-out stands");
        let impossible = store.session_renew(renewal("third", "old", [0, 60])).await;
        assert!(matches!(impossible, Err(StoreError::Refused(_))), "{impossible:?}");
        assert_eq!(store.session_peek("third").await.unwrap(), None);
        store.session_delete("second", Some(b"told".to_vec())).await.unwrap();
        drop(store);
        let lives = stage.dump().await.lives;
        assert_eq!(lives.len(), 2);
        about(lives["new"], Duration::from_secs(1_000));
        about(lives["old"], Duration::from_secs(60));
    });
}

#[test]
fn a_session_comes_with_the_rooms_of_its_user() {
    /// As the contract reads it: what the store's own guess says must not count.
    fn user_of(document: &[u8]) -> Option<String> {
        let session = Session::parse(document)?;
        User::of(session.user()).map(|user| user.id)
    }
    on_each_store(async |stage| {
        let rooms = [("6", "0"), ("6", "1:6"), ("a:b", "x"), ("1e+21", "y"), ("1.5", "z")];
        stage.put(&rooms.map(|(user, room)| user_room(user, room))).await;
        let store = stage.store();
        assert_eq!(store.session_peek_with_rooms("none", user_of).await.unwrap(), None);
        for (document, expected) in [
            (r#"{"cookie":{},"user":{"id":6}}"#, &["0", "1:6"][..]),
            (r#"{"cookie":{},"user":{"id":"6"}}"#, &["0", "1:6"]),
            (r#"{"cookie":{},"user":{"id":6.0}}"#, &["0", "1:6"]),
            (r#"{"cookie":{},"user":{"id":"a:b"}}"#, &["x"]),
            (r#"{"cookie":{},"user":{"id":1e21}}"#, &["y"]),
            (r#"{"cookie":{},"user":{"id":1.5}}"#, &["z"]),
            (r#"{"cookie":{},"user":{"id":"nobody"}}"#, &[]),
            (r#"{"cookie":{},"user":{"id":null}}"#, &[]),
            (r#"{"cookie":{},"user":{}}"#, &[]),
            (r#"{"cookie":{},"user":"6"}"#, &[]),
            (r#"{"cookie":{},"user":null}"#, &[]),
            (r#"{"cookie":{},"user":{"id":5},"user":{"id":6}}"#, &["0", "1:6"]),
            (r#"{"cookie":{}}"#, &[]),
            (r#"{"user":{"id":6}}"#, &[]),
            ("[]", &[]),
            ("5", &[]),
            ("null", &[]),
            ("{bad", &[]),
            ("", &[]),
        ] {
            store.session_create("s", document, 50).await.unwrap();
            let found = store.session_peek_with_rooms("s", user_of).await.unwrap();
            let Peeked { document: text, seconds, mut rooms } = found.unwrap();
            rooms.sort();
            assert_eq!(text, document.as_bytes(), "{document}");
            about(Duration::from_secs(seconds), Duration::from_secs(50));
            assert_eq!(rooms, expected, "{document}");
        }
        let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
        store.session_create("s", &deep, 50).await.unwrap();
        assert!(store.session_peek_with_rooms("s", user_of).await.unwrap().is_some());
        let life = stage.dump().await.lives["s"];
        about(life, Duration::from_secs(50));
    });
}
