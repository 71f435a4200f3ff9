//! The demo data (`http-and-redis.md` section 11).

use std::{
    cell::Cell,
    collections::HashSet,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use redis_chat_server::store::{Registration, StoreError, record::Record, seed::PASSWORD};

use crate::{
    record::{name, room_name, user, user_room},
    support::stores::{Hashes, on_each_store},
};

const NAMES: [&str; 4] = ["Pablo", "Joe", "Mary", "Alex"];

async fn hashes() -> Hashes {
    Ok(["h1", "h2", "h3", "h4"].map(String::from))
}

async fn no_hashes() -> Hashes {
    panic!("hashed without need");
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// The members of a room with their scores, oldest first.
fn messages(records: &[Record], of: &str) -> Vec<(String, f64)> {
    let message = |record: &Record| match record {
        Record::Message { room, score, member } if room == of => {
            Some((String::from_utf8(member.clone()).unwrap(), *score))
        }
        _ => None,
    };
    records.iter().filter_map(message).collect()
}

#[test]
fn an_empty_store_gets_the_demo_data_once() {
    assert_eq!(PASSWORD, "password123");
    on_each_store(async |stage| {
        let before = now();
        assert!(stage.seed(hashes).await.unwrap());
        let after = now();
        let records = stage.records().await;
        assert!(!stage.seed(no_hashes).await.unwrap());
        assert_eq!(stage.records().await.len(), records.len());
        let created = stage.store().create_user("zoe", "h").await.unwrap();
        assert_eq!(created, Registration::Created(5));

        let mut expected = vec![Record::LastUserId(4), room_name("0", "General")];
        for (n, text) in NAMES.iter().enumerate() {
            let id = (n + 1).to_string();
            expected.extend([
                name(text, &id),
                user(&id, Some(text), Some(&format!("h{id}"))),
                user_room(&id, "0"),
            ]);
        }
        let rooms = ["1:2", "1:3", "1:4", "2:3", "2:4", "3:4"];
        for room in rooms {
            expected.extend(room.split(':').map(|user| user_room(user, room)));
        }
        for record in &expected {
            assert!(records.contains(record), "{record:?}");
        }
        assert_eq!(records.len(), expected.len() + 2 * rooms.len() + 5);
        for room in rooms {
            greetings(room, &messages(&records, room), before, after);
        }
        general(&messages(&records, "0"), before, after);
    });
}

fn greetings(room: &str, found: &[(String, f64)], before: u64, after: u64) {
    let mut senders = HashSet::new();
    for (json, score) in found {
        let rest = json.strip_prefix(r#"{"from":"#).unwrap();
        let (from, rest) = rest.split_once(r#","date":"#).unwrap();
        let (date, rest) = rest.split_once(r#","message":""#).unwrap();
        let (text, rest) = rest.split_once(r#"","roomId":""#).unwrap();
        assert_eq!(rest, format!(r#"{room}"}}"#));
        assert!(["Hello", "Hi", "Yo", "Hola"].contains(&text), "{json}");
        let date: f64 = date.parse().unwrap();
        assert_eq!(date, *score, "{json}");
        assert!(date > before as f64 - 222.0 && date <= after as f64, "{json}");
        senders.insert(from.to_owned());
    }
    let both: HashSet<String> = room.split(':').map(Into::into).collect();
    assert_eq!((found.len(), senders), (2, both), "one greeting of each");
}

fn general(found: &[(String, f64)], before: u64, after: u64) {
    let texts = [
        "Hello!",
        "Hi, How are you? What about our next meeting?",
        "Yeah everything is fine",
        "Next meeting tomorrow 10.00AM",
        "Wow that's great",
    ];
    assert_eq!(found.len(), texts.len());
    let start = found[0].1 as u64;
    assert!((before - 1000..=after - 1000).contains(&start));
    for (n, ((json, score), text)) in found.iter().zip(texts).enumerate() {
        let date = start + 200 * n as u64;
        assert_eq!(*score, date as f64);
        let one_of_four = (1..=4).any(|from| {
            *json == format!(r#"{{"from":{from},"date":{date},"message":"{text}","roomId":"0"}}"#)
        });
        assert!(one_of_four, "{json}");
    }
}

#[test]
fn only_the_counter_says_whether_a_store_is_empty() {
    on_each_store(async |stage| {
        stage.put(&[Record::LastUserId(0)]).await;
        assert!(!stage.seed(no_hashes).await.unwrap());
        assert_eq!(stage.records().await, [Record::LastUserId(0)]);
    });
    on_each_store(async |stage| {
        // What is there already is added to, and online users stay.
        stage.put(&[user_room("1", "1:9"), user("9", Some("nine"), None)]).await;
        stage.come(&["9"]).await;
        assert!(stage.seed(hashes).await.unwrap());
        assert_eq!(stage.store().online_users().await.unwrap().len(), 1);
        let records = stage.records().await;
        assert!(records.contains(&user_room("1", "1:9")));
        assert!(records.contains(&user_room("1", "1:2")));
    });
}

#[test]
fn of_two_at_once_one_seeds() {
    on_each_store(async |stage| {
        // Both are past the look before either writes.
        let both = tokio::sync::Barrier::new(2);
        let slow = async || {
            both.wait().await;
            hashes().await
        };
        let (first, second) = tokio::join!(stage.seed(slow), stage.seed(slow));
        assert!(first.unwrap() != second.unwrap(), "exactly one");
        assert_eq!(messages(&stage.records().await, "0").len(), 5);
    });
}

#[test]
fn a_seeding_that_fails_leaves_nothing() {
    on_each_store(async |stage| {
        let fails = async || Err(StoreError::Refused("no hashes".into()));
        assert!(stage.seed(fails).await.is_err());
        assert_eq!(stage.records().await, []);

        // A server that is gone in the middle.
        let asked = Cell::new(false);
        let never = async || {
            asked.set(true);
            std::future::pending().await
        };
        let limit = Duration::from_millis(300);
        assert!(tokio::time::timeout(limit, stage.seed(never)).await.is_err());
        assert!(asked.get());
        assert_eq!(stage.records().await, []);
        assert!(stage.seed(hashes).await.unwrap());
    });
}
