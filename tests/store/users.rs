//! Users, log-in, registration and presence (`http-and-redis.md` section 2).

use std::collections::HashSet;

use futures_util::future::join_all;
use redis_chat_server::store::{
    Login, Registration, StoreError, User,
    commit::{Commit, Outcome},
    record::Record,
};

use crate::{
    record::{name, user, user_room},
    support::stores::on_each_store,
};

fn shown(name: Option<&str>, online: bool) -> Option<User> {
    Some(User { username: name.map(Into::into), online })
}

#[test]
fn registration_and_log_in() {
    on_each_store(async |stage| {
        assert_eq!(stage.store().find_login("zoe").await.unwrap(), None);
        let created = stage.store().create_user("a", "h").await.unwrap();
        assert_eq!(created, Registration::Created(1));
        stage.put(&[Record::LastUserId(5)]).await;

        let store = stage.store().clone();
        assert_eq!(store.create_user("zoe", "$2b$x").await.unwrap(), Registration::Created(6));
        assert_eq!(store.create_user("zoe", "other").await.unwrap(), Registration::Taken);
        let login = Login { id: "6".into(), password_hash: Some("$2b$x".into()) };
        assert_eq!(store.find_login("zoe").await.unwrap(), Some(login));
        assert_eq!(store.find_login("Zoe").await.unwrap(), None);
        for (name, id) in [("", 7), ("a:b c\n", 8), ("ü💬", 9), ("a\0b", 10), ("a\0", 11)] {
            let created = Registration::Created(id);
            assert_eq!(store.create_user(name, "h").await.unwrap(), created, "{name}");
            assert_eq!(store.find_login(name).await.unwrap().unwrap().id, id.to_string());
            assert_eq!(store.users(&[id.to_string()]).await.unwrap(), [shown(Some(name), false)]);
        }
        drop(store);
        stage.put(&[Record::LastUserId(123_456_789_012_345)]).await;
        let store = stage.store().clone();
        let large = Registration::Created(123_456_789_012_346);
        assert_eq!(store.create_user("large", "h").await.unwrap(), large);
        assert_eq!(store.find_login("large").await.unwrap().unwrap().id, "123456789012346");
        drop(store);

        let stored = stage.dump().await.records;
        for record in [name("zoe", "6"), user("6", Some("zoe"), Some("$2b$x")), user_room("6", "0")]
        {
            assert!(stored.contains(&format!("{record:?}")), "{record:?} in {stored:?}");
        }
        stage.put(&[Record::LastUserId(i64::MAX)]).await;
        let refused = stage.store().create_user("one too many", "h").await;
        assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
        assert_eq!(stage.store().find_login("one too many").await.unwrap(), None);
    });
}

#[test]
fn a_registration_over_parts_of_a_user() {
    on_each_store(async |stage| {
        stage.put(&[user("1", Some("old"), Some("old")), user_room("1", "1:9")]).await;
        let created = stage.store().create_user("new", "h").await.unwrap();
        assert_eq!(created, Registration::Created(1));
        let mut expected = [
            Record::LastUserId(1),
            name("new", "1"),
            user("1", Some("new"), Some("h")),
            user_room("1", "1:9"),
            user_room("1", "0"),
        ]
        .map(|record| format!("{record:?}"));
        expected.sort();
        assert_eq!(stage.dump().await.records, expected);
    });
}

#[test]
fn logins_of_users_who_lack_something() {
    on_each_store(async |stage| {
        let records = [
            name("lost", "99"),
            name("bare", "3"),
            user("3", Some("bare"), None),
            name("nameless", "4"),
            user("4", None, Some("p")),
        ];
        stage.put(&records).await;
        let login = |id: &str, hash: Option<&str>| {
            Some(Login { id: id.into(), password_hash: hash.map(Into::into) })
        };
        let store = stage.store();
        assert_eq!(store.find_login("lost").await.unwrap(), login("99", None));
        assert_eq!(store.find_login("bare").await.unwrap(), login("3", None));
        assert_eq!(store.find_login("nameless").await.unwrap(), login("4", Some("p")));
    });
}

#[test]
fn fifty_registrations_at_once() {
    on_each_store(async |stage| {
        // Several connections, as several servers have.
        let stores = [stage.another().await, stage.another().await, stage.another().await];
        let same = (0..50).map(|n| stores[n % 3].create_user("same", "h"));
        let outcomes = join_all(same).await.into_iter().map(Result::unwrap);
        let (created, taken): (Vec<_>, Vec<_>) =
            outcomes.partition(|outcome| *outcome != Registration::Taken);
        assert_eq!((created, taken.len()), (vec![Registration::Created(1)], 49));

        let names: Vec<String> = (0..50).map(|n| format!("user {n}")).collect();
        let each = names.iter().enumerate().map(|(n, name)| stores[n % 3].create_user(name, "h"));
        let created = join_all(each).await.into_iter().map(Result::unwrap);
        let ids: HashSet<i64> = created
            .map(|created| match created {
                Registration::Created(id) => id,
                Registration::Taken => panic!("taken"),
            })
            .collect();
        assert_eq!(ids, (2..=51).collect());
        for (n, name) in names.iter().enumerate() {
            let login = stores[n % 3].find_login(name).await.unwrap().unwrap();
            let found = stores[n % 3].users(&[login.id]).await.unwrap();
            assert_eq!(found, [shown(Some(name), false)]);
        }
    });
}

#[test]
fn users_by_id_and_who_is_online() {
    on_each_store(async |stage| {
        let records = [
            user("1", Some("Pablo"), Some("p")),
            user("2", None, Some("p")),
            user("3", Some("Joe"), Some("p")),
            user_room("1", "0"),
        ];
        stage.put(&records).await;
        stage.come(&["1", "2", "77", "2"]).await;
        let ids = ["3", "1", "99", "2", "", "01", "1:rooms", "1"].map(String::from);
        let (pablo, joe, nameless) =
            (shown(Some("Pablo"), true), shown(Some("Joe"), false), shown(None, true));
        let all = [joe, pablo.clone(), None, nameless.clone(), None, None, None, pablo.clone()];
        let store = stage.store();
        assert_eq!(store.users(&ids).await.unwrap(), all);
        assert_eq!(store.users(&[]).await.unwrap(), []);
        let many: Vec<String> = (0..5_000).map(|n| n.to_string()).collect();
        let found = store.users(&many).await.unwrap();
        assert_eq!((found.len(), found.iter().flatten().count()), (5_000, 3));

        let mut found = store.online_users().await.unwrap();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        let expected = [("1".to_owned(), pablo.unwrap()), ("2".to_owned(), nameless.unwrap())];
        assert_eq!(found, expected);

        // Coming goes before leaving.
        let online = vec!["2".into(), "3".into()];
        let done = |online_changed| Outcome::Done { room_was_new: false, online_changed };
        let both = Commit { online, offline: Some("2".into()), ..Commit::default() };
        assert_eq!(stage.commit(both).await, done(Some(true)));
        let again = Commit { online: vec!["3".into()], ..Commit::default() };
        assert_eq!(stage.commit(again).await, done(Some(false)));
        for id in ["1", "nobody"] {
            stage.commit(Commit { offline: Some(id.into()), ..Commit::default() }).await;
        }
        let found = store.online_users().await.unwrap();
        assert_eq!(found, [("3".to_owned(), shown(Some("Joe"), true).unwrap())]);
        assert_eq!(store.users(&ids[1..2]).await.unwrap(), [shown(Some("Pablo"), false)]);
    });
}
