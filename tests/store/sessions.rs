//! Sessions (`http-and-redis.md` section 6).

use std::time::Duration;

use redis_chat_server::store::StoreError;

use crate::support::stores::on_each_store;

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
        store.session_delete("a").await.unwrap();
        store.session_delete("a").await.unwrap();
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
