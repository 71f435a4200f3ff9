//! Both stores behind one face, for tests that expect the same of either.

use std::{collections::BTreeMap, rc::Rc, time::Duration};

use redis::{Commands, Connection, cmd};
use redis_chat_server::store::{
    Store, StoreError,
    commit::{Commit, Outcome, StoredMessage},
    embedded::{EmbeddedStore, Sync, file::DataFile},
    record::Record,
    redis::{RedisStore, link::Link, seed::seed},
    seed::USERS,
};
use tokio::sync::oneshot;

use super::{Folder, PATIENCE, RedisServer, client, on_loop};

/// One bcrypt hash per demo user.
pub type Hashes = Result<[String; USERS], StoreError>;

/// A store with a Redis or a file of its own.
pub struct Stage {
    pub backend: Backend,
    store: Option<Store>,
}

pub enum Backend {
    Redis(Rc<RedisServer>),
    Embedded(Folder),
}

/// Runs a test on an empty store of each kind.
pub fn on_each_store(test: impl AsyncFn(&mut Stage)) {
    for backend in
        [Backend::Redis(Rc::new(RedisServer::start(&[]))), Backend::Embedded(Folder::new())]
    {
        on_loop(async {
            let mut stage = Stage::new(backend).await;
            test(&mut stage).await;
            stage.close().await;
        });
    }
}

impl Stage {
    pub async fn new(backend: Backend) -> Stage {
        let mut stage = Stage { backend, store: None };
        stage.store = Some(stage.open().await);
        stage
    }

    pub fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    pub fn is_redis(&self) -> bool {
        matches!(self.backend, Backend::Redis(_))
    }

    /// The same data as another server would have it, as far as there can be one.
    pub async fn another(&self) -> Store {
        if self.is_redis() { self.open().await } else { self.store().clone() }
    }

    async fn open(&self) -> Store {
        match &self.backend {
            Backend::Redis(server) => {
                let link = Link::start(client(&server.endpoint(), &[]), PATIENCE).await.unwrap();
                let ordered = Link::start(client(&server.endpoint(), &[]), PATIENCE).await.unwrap();
                let process = format!("{:016x}", rand::random::<u64>());
                Store::Redis(RedisStore::new(link, ordered, &process))
            }
            Backend::Embedded(folder) => {
                let path = folder.path().join("chat.db");
                Store::Embedded(EmbeddedStore::open(&path, Sync::Normal).unwrap())
            }
        }
    }

    async fn close(&mut self) {
        if let Some(Store::Embedded(store)) = self.store.take() {
            store.close().await;
        }
    }

    /// Writes into the data, past the store.
    pub async fn put(&mut self, records: &[Record]) {
        let Backend::Embedded(folder) = &self.backend else {
            let mut redis = self.connection();
            return records.iter().for_each(|record| put(&mut redis, record));
        };
        let path = folder.path().join("chat.db");
        self.close().await;
        DataFile::open_existing(&path, Sync::Normal).unwrap().write(records).unwrap();
        self.store = Some(self.open().await);
    }

    /// All that is stored, without who is online, in an order that does not depend on the store.
    pub async fn dump(&mut self) -> Stored {
        Stored::of(self.records().await)
    }

    /// All that is stored, without who is online. Closes and opens an embedded store.
    pub async fn records(&mut self) -> Vec<Record> {
        let Backend::Embedded(folder) = &self.backend else {
            return dump(&mut self.connection());
        };
        let path = folder.path().join("chat.db");
        self.close().await;
        let mut records = Vec::new();
        let mut file = DataFile::open_existing(&path, Sync::Normal).unwrap();
        file.read(|record| {
            records.push(record);
            Ok::<(), String>(())
        })
        .unwrap();
        drop(file);
        self.store = Some(self.open().await);
        records
    }

    /// Seeds the store, as a server does before it listens.
    pub async fn seed(&self, hashes: impl AsyncFnOnce() -> Hashes) -> Result<bool, StoreError> {
        match (&self.backend, self.store()) {
            (Backend::Redis(server), _) => {
                seed(&client(&server.endpoint(), &[]), PATIENCE, hashes).await
            }
            (_, Store::Embedded(store)) => store.seed(hashes).await,
            (_, Store::Redis(_)) => panic!("another store"),
        }
    }

    /// Commits, and waits for the outcome.
    pub async fn commit(&self, commit: Commit) -> Outcome {
        outcome(self.store(), commit).await
    }

    /// Stores a message.
    pub async fn say(&self, room: &str, score: &str, member: &[u8]) -> Outcome {
        self.commit(message(room, score, member)).await
    }

    /// Puts users into the online set.
    pub async fn come(&self, ids: &[&str]) {
        let online = ids.iter().map(|id| id.to_string()).collect();
        self.commit(Commit { online, ..Commit::default() }).await;
    }

    fn connection(&self) -> Connection {
        let Backend::Redis(server) = &self.backend else { panic!("no Redis") };
        client(&server.endpoint(), &[]).get_connection().unwrap()
    }

    /// Makes an empty Redis of it.
    pub fn flush(&self) {
        cmd("FLUSHALL").exec(&mut self.connection()).unwrap();
    }
}

pub fn message(room: &str, score: &str, member: &[u8]) -> Commit {
    let (room, score, member) = (room.into(), score.into(), member.into());
    Commit { message: Some(StoredMessage { room, score, member }), ..Commit::default() }
}

pub async fn outcome(store: &Store, commit: Commit) -> Outcome {
    let (reply, answer) = oneshot::channel();
    store.commit(commit, Box::new(|outcome| reply.send(outcome).unwrap()));
    answer.await.unwrap()
}

/// What a store holds, in an order that does not depend on the store.
#[derive(Debug, PartialEq)]
pub struct Stored {
    pub records: Vec<String>,
    /// What is left of the sessions' lives.
    pub lives: BTreeMap<String, Duration>,
}

impl Stored {
    fn of(records: Vec<Record>) -> Stored {
        let mut lives = BTreeMap::new();
        let text = |record| match record {
            Record::Session { sid, document, life } => {
                let text = format!("session {sid:?} {document:?}");
                lives.insert(sid, life);
                text
            }
            Record::Message { room, score, member } => {
                // Of zero there is one only.
                format!("message {room:?} {:?} {member:?}", score + 0.0)
            }
            other => format!("{other:?}"),
        };
        let mut records: Vec<String> = records.into_iter().map(text).collect();
        records.sort();
        Stored { records, lives }
    }
}

fn put(redis: &mut Connection, record: &Record) {
    match record {
        Record::LastUserId(id) => redis.set("total_users", id),
        Record::Name { name, id } => redis.set(format!("username:{name}"), format!("user:{id}")),
        Record::User { id, username, password } => {
            for (field, value) in [("username", username), ("password", password)] {
                if let Some(value) = value {
                    redis.hset::<_, _, _, ()>(format!("user:{id}"), field, value).unwrap();
                }
            }
            Ok(())
        }
        Record::UserRoom { user, room } => redis.sadd(format!("user:{user}:rooms"), room),
        Record::RoomName { room, name } => redis.set(format!("room:{room}:name"), name),
        Record::Message { room, score, member } => {
            redis.zadd(format!("room:{room}"), &member[..], score)
        }
        Record::Session { sid, document, life } => {
            redis.pset_ex(format!("sess:{sid}"), &document[..], life.as_millis() as u64)
        }
    }
    .unwrap()
}

fn dump(redis: &mut Connection) -> Vec<Record> {
    let mut records = Vec::new();
    let keys: Vec<String> = redis.keys("*").unwrap();
    for key in keys {
        let (kind, rest) = key.split_once(':').unwrap_or((&key, ""));
        match kind {
            "total_users" => records.push(Record::LastUserId(redis.get(&key).unwrap())),
            "username" => {
                let value: String = redis.get(&key).unwrap();
                let id = value.strip_prefix("user:").unwrap().to_owned();
                records.push(Record::Name { name: rest.into(), id });
            }
            "user" if rest.ends_with(":rooms") => {
                let user = rest.strip_suffix(":rooms").unwrap();
                let rooms: Vec<String> = redis.smembers(&key).unwrap();
                let row = |room| Record::UserRoom { user: user.into(), room };
                records.extend(rooms.into_iter().map(row));
            }
            "user" => {
                let username = redis.hget(&key, "username").unwrap();
                let password = redis.hget(&key, "password").unwrap();
                records.push(Record::User { id: rest.into(), username, password });
            }
            "room" if rest.ends_with(":name") => {
                let room = rest.strip_suffix(":name").unwrap().to_owned();
                records.push(Record::RoomName { room, name: redis.get(&key).unwrap() });
            }
            "room" => {
                let found: Vec<(Vec<u8>, f64)> = redis.zrange_withscores(&key, 0, -1).unwrap();
                let row = |(member, score)| Record::Message { room: rest.into(), score, member };
                records.extend(found.into_iter().map(row));
            }
            "sess" => {
                let document = redis.get(&key).unwrap();
                let left: i64 = redis.pttl(&key).unwrap();
                let life = Duration::from_millis(left.try_into().unwrap());
                records.push(Record::Session { sid: rest.into(), document, life });
            }
            "online_users" | "rs" => {}
            other => panic!("unforeseen key {other}"),
        }
    }
    records
}
