//! The same random sequence of verbs on both stores, every answer compared, and what is stored at the
//! end.

use std::{collections::BTreeSet, rc::Rc, time::Duration};

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use redis_chat_server::store::{
    RoomRow, Store,
    commit::{Commit, StoredMessage},
    record::Record,
};

use crate::support::{
    Folder, RedisServer, on_loop,
    stores::{Backend, Stage, outcome},
};

const CASES: u32 = 120;

/// Few of each, so that they meet again; some that a careless store mixes up. Ids that end like the
/// original's other keys (`:rooms`, `:name`) are left out: on Redis they are those keys.
const NAMES: [&str; 7] = ["zoe", "Zoe", "", "ü💬", "a\0b", "a\0", "x:y"];
const IDS: [&str; 8] = ["1", "2", "3", "01", "", "undefined", "é", "1\0"];
const ROOMS: [&str; 8] = ["0", "1:2", "2:1", ":", "1:2:3", "odd", "", "r\0"];
const SIDS: [&str; 4] = ["s", "S", "", "s\0"];
const SCORES: [&str; 14] = [
    "1600001000",
    "1600001000.5",
    "0",
    "-0",
    "-5",
    "+inf",
    "-Infinity",
    "0x1p-1074",
    "5e-324",
    "0x10",
    "16",
    "1e308",
    "-1e308",
    "9007199254740993",
];
const MEMBERS: [&[u8]; 8] =
    [b"", b"a", b"a\0", b"ab", b"\xff", b"\xff\xfe", b"{\"message\":\"hi\"}", &[0; 3_000]];
const LIVES: [u64; 5] = [0, 1_000, 86_400, 1_000_000, u64::MAX];

#[derive(Debug, Clone)]
enum Step {
    Load(usize),
    Peek(usize),
    Create(usize, String, usize),
    Replace(usize, String, usize),
    Delete(usize),
    FindLogin(usize),
    Register(usize, String),
    Users(Vec<usize>),
    Online,
    UserNames(usize, usize),
    PrivateRoom(usize, usize, usize),
    RoomsOf(usize),
    RoomExists(usize),
    History(usize, i64, i64),
    Preload,
    State(usize),
    Commit { online: Vec<usize>, offline: Option<usize>, message: Option<(usize, usize, usize)> },
    Burst(Vec<(usize, usize, usize)>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let sid = || 0..SIDS.len();
    let name = || 0..NAMES.len();
    let id = || 0..IDS.len();
    let room = || 0..ROOMS.len();
    let index =
        || prop_oneof![4 => -9i64..9, 1 => Just(i64::MIN), 1 => Just(i64::MAX), 1 => any::<i64>()];
    let message = || (room(), 0..SCORES.len(), 0..MEMBERS.len());
    let step = prop_oneof![
        1 => sid().prop_map(Step::Load),
        1 => sid().prop_map(Step::Peek),
        2 => (sid(), ".{0,9}", 0..LIVES.len()).prop_map(|(s, t, l)| Step::Create(s, t, l)),
        1 => (sid(), ".{0,9}", 0..LIVES.len()).prop_map(|(s, t, l)| Step::Replace(s, t, l)),
        1 => sid().prop_map(Step::Delete),
        1 => name().prop_map(Step::FindLogin),
        2 => (name(), ".{0,9}").prop_map(|(n, h)| Step::Register(n, h)),
        1 => prop::collection::vec(id(), 0..6).prop_map(Step::Users),
        1 => Just(Step::Online),
        1 => (id(), id()).prop_map(|(a, b)| Step::UserNames(a, b)),
        2 => (id(), id(), room()).prop_map(|(a, b, r)| Step::PrivateRoom(a, b, r)),
        2 => id().prop_map(Step::RoomsOf),
        1 => room().prop_map(Step::RoomExists),
        4 => (room(), index(), index()).prop_map(|(r, a, b)| Step::History(r, a, b)),
        1 => Just(Step::Preload),
        1 => room().prop_map(Step::State),
        6 => (prop::collection::vec(id(), 0..3), prop::option::of(id()),
              prop::option::weighted(0.8, message()))
            .prop_map(|(online, offline, message)| Step::Commit { online, offline, message }),
        2 => prop::collection::vec(message(), 1..20).prop_map(Step::Burst),
    ];
    prop::collection::vec(step, 1..60)
}

/// What is there before the first step.
fn beginnings() -> impl Strategy<Value = Vec<Record>> {
    let text = |of: &'static [&'static str]| prop::sample::select(of).prop_map(String::from);
    let field = || prop::option::of(".{0,5}");
    let record = prop_oneof![
        (0..9_999i64).prop_map(Record::LastUserId),
        (text(&NAMES), text(&IDS)).prop_map(|(name, id)| Record::Name { name, id }),
        (text(&IDS), field(), field()).prop_map(|(id, username, password)| Record::User {
            id,
            username,
            password
        }),
        (text(&IDS), text(&ROOMS)).prop_map(|(user, room)| Record::UserRoom { user, room }),
        (text(&ROOMS), ".{0,5}").prop_map(|(room, name)| Record::RoomName { room, name }),
        (text(&ROOMS), -9.0..9.0, prop::sample::select(&MEMBERS[..]))
            .prop_map(|(room, score, m)| Record::Message { room, score, member: m.to_vec() }),
        (text(&SIDS), prop::collection::vec(any::<u8>(), 0..9)).prop_map(|(sid, document)| {
            Record::Session { sid, document, life: Duration::from_secs(1_000) }
        }),
    ];
    prop::collection::vec(record, 0..12)
}

fn write(room: usize, score: usize, member: usize) -> StoredMessage {
    let (room, score) = (ROOMS[room].into(), SCORES[score].into());
    StoredMessage { room, score, member: MEMBERS[member].into() }
}

/// Does a step, and returns its answer in a form that can be compared. Of a refusal only that it is
/// one.
async fn answer(store: &Store, step: &Step) -> String {
    macro_rules! shown {
        ($answer:expr) => {
            match $answer.await {
                Ok(answer) => format!("{answer:?}"),
                Err(_) => "an error".into(),
            }
        };
    }
    match step {
        Step::Load(sid) => shown!(store.session_load(SIDS[*sid])),
        Step::Peek(sid) => shown!(store.session_peek(SIDS[*sid])),
        Step::Create(sid, text, life) => {
            shown!(store.session_create(SIDS[*sid], text, LIVES[*life]))
        }
        Step::Replace(sid, text, life) => {
            shown!(store.session_replace(SIDS[*sid], text, LIVES[*life]))
        }
        Step::Delete(sid) => shown!(store.session_delete(SIDS[*sid], None)),
        Step::FindLogin(name) => shown!(store.find_login(NAMES[*name])),
        Step::Register(name, hash) => shown!(store.create_user(NAMES[*name], hash)),
        Step::Users(ids) => {
            let ids: Vec<String> = ids.iter().map(|id| IDS[*id].into()).collect();
            shown!(store.users(&ids))
        }
        Step::Online => match store.online_users().await {
            Ok(mut found) => {
                found.sort_by(|a, b| a.0.cmp(&b.0));
                format!("{found:?}")
            }
            Err(why) => format!("{why:?}"),
        },
        Step::UserNames(a, b) => shown!(store.user_names([IDS[*a], IDS[*b]])),
        Step::PrivateRoom(a, b, room) => {
            shown!(store.create_private_room(IDS[*a], IDS[*b], ROOMS[*room]))
        }
        Step::RoomsOf(user) => match store.rooms_of(IDS[*user]).await {
            // What stands before it depends on the order.
            Ok(rows) if rows.contains(&RoomRow::Malformed) => "malformed".into(),
            Ok(rows) => {
                let rows: BTreeSet<String> = rows.iter().map(|row| format!("{row:?}")).collect();
                format!("{rows:?}")
            }
            Err(why) => format!("{why:?}"),
        },
        Step::RoomExists(room) => shown!(store.room_exists(ROOMS[*room])),
        Step::History(room, start, stop) => shown!(store.history(ROOMS[*room], *start, *stop)),
        Step::Preload => shown!(store.preload()),
        Step::State(room) => shown!(store.room_state(ROOMS[*room])),
        Step::Commit { online, offline, message } => {
            let commit = Commit {
                online: online.iter().map(|id| IDS[*id].into()).collect(),
                offline: offline.map(|id| IDS[id].into()),
                message: message.map(|(room, score, member)| write(room, score, member)),
                publish: vec![b"{}".to_vec()],
                ..Commit::default()
            };
            format!("{:?}", outcome(store, commit).await)
        }
        Step::Burst(messages) => {
            let commit = |(room, score, member): &(usize, usize, usize)| {
                let message = Some(write(*room, *score, *member));
                outcome(store, Commit { message, ..Commit::default() })
            };
            let all = futures_util::future::join_all(messages.iter().map(commit)).await;
            format!("{all:?}")
        }
    }
}

#[test]
fn both_stores_answer_alike() {
    let server = Rc::new(RedisServer::start(&[]));
    let config = Config {
        cases: CASES,
        failure_persistence: None,
        max_shrink_iters: 300,
        ..Config::default()
    };
    let cases = TestRunner::new(config).run(&(beginnings(), steps()), |(records, steps)| {
        on_loop(async {
            let mut redis = Stage::new(Backend::Redis(server.clone())).await;
            redis.flush();
            let mut embedded = Stage::new(Backend::Embedded(Folder::new())).await;
            redis.put(&records).await;
            embedded.put(&records).await;
            for step in &steps {
                let theirs = answer(redis.store(), step).await;
                let ours = answer(embedded.store(), step).await;
                prop_assert_eq!(theirs, ours, "{:?}", step);
            }
            let (theirs, ours) = (redis.dump().await, embedded.dump().await);
            prop_assert_eq!(theirs.records, ours.records);
            prop_assert_eq!(theirs.lives.len(), ours.lives.len());
            for (sid, life) in theirs.lives {
                // A load leaves a life that would only change by a minute.
                let apart = life.abs_diff(ours.lives[&sid]);
                prop_assert!(apart < Duration::from_secs(61), "{}: {:?}", sid, apart);
            }
            Ok(())
        })
    });
    cases.unwrap();
}
