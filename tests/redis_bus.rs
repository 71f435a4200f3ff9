//! The subscription to other instances' announcements (`http-and-redis.md` section 10).

mod support;

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::{Duration, Instant},
};

use redis::pipe;
use redis_chat_server::{
    bus::{BusEvent, run, subscribe},
    store::redis::link::{Link, StartError},
};
use support::{PATIENCE, RedisServer, certificate, client, free_port, on_loop};
use tokio::{
    task::{JoinHandle, spawn_local},
    time::sleep,
};

const TIMEOUT: Duration = Duration::from_millis(1500);

/// What a subscription has told so far.
#[derive(Default)]
struct Log {
    events: RefCell<Vec<String>>,
    /// `complete_until` of the last loss.
    complete_until: Cell<Option<Instant>>,
    /// Turns of another task of the loop.
    turns: Cell<u32>,
    /// The turns at the time of each message.
    message_turns: RefCell<Vec<u32>>,
}

impl Log {
    fn add(&self, event: BusEvent<'_>) {
        let text = match event {
            BusEvent::Up => "up".to_owned(),
            BusEvent::Down { complete_until } => {
                self.complete_until.set(Some(complete_until));
                "down".to_owned()
            }
            BusEvent::Message(message) => {
                self.message_turns.borrow_mut().push(self.turns.get());
                String::from_utf8_lossy(message).into_owned()
            }
            BusEvent::Control(message) => format!("ours: {}", String::from_utf8_lossy(message)),
        };
        self.events.borrow_mut().push(text);
    }

    /// Waits until there are so many events, and returns all.
    async fn until(&self, count: usize) -> Vec<String> {
        let started = Instant::now();
        while self.events.borrow().len() < count {
            assert!(started.elapsed() < PATIENCE, "{:?}", self.events.borrow());
            sleep(Duration::from_millis(2)).await;
        }
        self.events.borrow().clone()
    }
}

async fn follow(client: redis::Client) -> (Rc<Log>, JoinHandle<()>) {
    let log = Rc::new(Log::default());
    let subscription = subscribe(client, TIMEOUT, false).await.unwrap();
    let task = spawn_local({
        let log = log.clone();
        async move { run(subscription, |event| log.add(event)).await }
    });
    (log, task)
}

async fn sentence(client: redis::Client) -> String {
    match subscribe(client, TIMEOUT, false).await {
        Ok(_) => panic!("subscribed"),
        Err(StartError(text)) => text,
    }
}

#[test]
fn what_is_published_after_the_confirmation_arrives_in_order() {
    let server = RedisServer::start(&[]);
    on_loop(async {
        let subscription = subscribe(client(&server.endpoint(), &[]), TIMEOUT, true).await.unwrap();
        // Nobody listens to the subscription yet, but Redis does.
        assert_eq!(server.cli(&["PUBLISH", "MESSAGES", "first"]), "1");
        assert_eq!(server.cli(&["PUBLISH", "OTHER", "no"]), "0");
        let log = Rc::new(Log::default());
        let handler = log.clone();
        spawn_local(async move { run(subscription, |event| handler.add(event)).await });
        assert_eq!(log.until(2).await, ["up", "first"]);
        server.cli(&["PUBLISH", "MESSAGES", ""]);
        server.cli(&["PUBLISH", "MESSAGES", "ü\n💬"]);
        assert_eq!(log.until(4).await, ["up", "first", "", "ü\n💬"]);
        server.cli(&["PUBLISH", "rs:control", "x"]);
        assert_eq!(log.until(5).await[4], "ours: x");
    });
}

#[test]
fn a_burst_arrives_whole_and_together() {
    let server = RedisServer::start(&[]);
    on_loop(async {
        let (log, _task) = follow(client(&server.endpoint(), &[])).await;
        spawn_local({
            let log = log.clone();
            async move {
                loop {
                    log.turns.set(log.turns.get() + 1);
                    tokio::task::yield_now().await;
                }
            }
        });
        let link = Link::start(client(&server.endpoint(), &[]), PATIENCE).await.unwrap();
        const COUNT: usize = 50_000;
        let mut burst = pipe();
        for n in 0..COUNT {
            burst.cmd("PUBLISH").arg("MESSAGES").arg(format!("{n} {}", "x".repeat(100)));
        }
        link.query(&burst).await.unwrap();
        let events = log.until(COUNT + 1).await;
        for (n, event) in events[1..].iter().enumerate() {
            assert!(event.starts_with(&format!("{n} ")), "{n}: {event}");
        }
        // Other tasks had a turn between batches, not between messages.
        let turns = log.message_turns.borrow();
        let mut batches = turns.clone();
        batches.dedup();
        let mean = turns.len() / batches.len();
        assert!(mean > 100, "{mean} messages a batch");
    });
}

#[test]
fn a_redis_that_can_not_save_is_heard() {
    // Nobody can make a file there.
    let server = RedisServer::start(&["--dir", "/proc"]);
    on_loop(async {
        let (log, _task) = follow(client(&server.endpoint(), &[])).await;
        log.until(1).await;
        server.cli(&["SET", "x", "1"]);
        server.cli(&["CONFIG", "SET", "save", "3600 1"]);
        server.cli(&["BGSAVE"]);
        let started = Instant::now();
        while !server.cli(&["PING"]).contains("MISCONF") {
            assert!(started.elapsed() < PATIENCE, "it saves all the same");
            sleep(Duration::from_millis(20)).await;
        }
        // Longer than from one heartbeat to the next.
        sleep(Duration::from_secs(5)).await;
        server.cli(&["PUBLISH", "MESSAGES", "still here"]);
        assert_eq!(log.until(2).await, ["up", "still here"]);
        server.cli(&["CLIENT", "KILL", "TYPE", "pubsub"]);
        log.until(4).await;
        server.cli(&["PUBLISH", "MESSAGES", "here again"]);
        assert_eq!(log.until(5).await[2..], ["down", "up", "here again"]);
    });
}

#[test]
fn a_gap_is_known() {
    let mut server = RedisServer::start(&[]);
    on_loop(async {
        let (log, _task) = follow(client(&server.endpoint(), &[])).await;
        log.until(1).await;
        // Long enough for a ping to be answered.
        sleep(Duration::from_millis(2_300)).await;
        server.cli(&["PUBLISH", "MESSAGES", "a"]);
        log.until(2).await;
        let killed = Instant::now();
        server.kill();
        assert_eq!(log.until(3).await[2], "down");
        let complete = log.complete_until.get().unwrap();
        let before = killed.duration_since(complete);
        assert!(before > Duration::ZERO && before < Duration::from_secs(4), "{before:?}");
        sleep(Duration::from_millis(500)).await;
        server.restart();
        assert_eq!(log.until(4).await, ["up", "a", "down", "up"]);
        server.cli(&["PUBLISH", "MESSAGES", "b"]);
        assert_eq!(log.until(5).await[4], "b");
    });
}

#[test]
fn a_connection_that_redis_ends_is_replaced() {
    let server = RedisServer::start(&[]);
    on_loop(async {
        let (log, _task) = follow(client(&server.endpoint(), &[])).await;
        server.cli(&["PUBLISH", "MESSAGES", "a"]);
        server.cli(&["CLIENT", "KILL", "TYPE", "pubsub"]);
        // What was sent before the end is not lost with it.
        assert_eq!(log.until(4).await, ["up", "a", "down", "up"]);
        server.cli(&["PUBLISH", "MESSAGES", "b"]);
        assert_eq!(log.until(5).await[4], "b");
    });
}

#[test]
fn a_frozen_redis_is_noticed() {
    let server = RedisServer::start(&[]);
    on_loop(async {
        let (log, _task) = follow(client(&server.endpoint(), &[])).await;
        log.until(1).await;
        let frozen = Instant::now();
        server.freeze();
        assert_eq!(log.until(2).await, ["up", "down"]);
        let noticed = frozen.elapsed();
        assert!(
            noticed > Duration::from_secs(3) && noticed < Duration::from_secs(7),
            "{noticed:?}"
        );
        assert!(log.complete_until.get().unwrap() <= frozen);
        server.thaw();
        assert_eq!(log.until(3).await[2], "up");
    });
}

#[test]
fn a_freeze_is_noticed_as_soon_behind_a_message() {
    let server = RedisServer::start(&[]);
    on_loop(async {
        let (log, _task) = follow(client(&server.endpoint(), &[])).await;
        // Between two pings.
        sleep(Duration::from_millis(2_300)).await;
        server.cli(&["PUBLISH", "MESSAGES", "a"]);
        assert_eq!(log.until(2).await, ["up", "a"]);
        let frozen = Instant::now();
        server.freeze();
        assert_eq!(log.until(3).await[2], "down");
        let noticed = frozen.elapsed();
        assert!(
            noticed > Duration::from_secs(4) && noticed < Duration::from_millis(5_500),
            "{noticed:?}"
        );
        server.thaw();
    });
}

#[test]
fn a_short_freeze_is_no_gap() {
    let server = RedisServer::start(&[]);
    on_loop(async {
        let (log, _task) = follow(client(&server.endpoint(), &[])).await;
        log.until(1).await;
        server.freeze();
        sleep(Duration::from_millis(2_500)).await;
        server.thaw();
        server.cli(&["PUBLISH", "MESSAGES", "a"]);
        sleep(Duration::from_secs(3)).await;
        assert_eq!(*log.events.borrow(), ["up", "a"]);
    });
}

#[test]
fn the_connection_ends_with_its_owner() {
    let server = RedisServer::start(&[]);
    on_loop(async {
        let (log, task) = follow(client(&server.endpoint(), &[])).await;
        log.until(1).await;
        assert_eq!(server.cli(&["PUBSUB", "NUMSUB", "MESSAGES"]), "MESSAGES\n1");
        task.abort();
        sleep(Duration::from_millis(200)).await;
        assert_eq!(server.cli(&["PUBSUB", "NUMSUB", "MESSAGES"]), "MESSAGES\n0");
    });
}

#[test]
fn a_subscription_that_is_refused_is_no_subscription() {
    let server = RedisServer::start(&[]);
    on_loop(async {
        let rules = "ACL SETUSER deaf on >pw ~* +@all resetchannels";
        server.cli(&rules.split(' ').collect::<Vec<_>>());
        let url = format!("redis://deaf@{}", server.endpoint());
        let text = sentence(client(&url, &["--redis-password=pw"])).await;
        assert!(text.contains("refuses to subscribe this user"), "{text}");

        let endpoint = format!("127.0.0.1:{}", free_port());
        let text = sentence(client(&endpoint, &[])).await;
        assert!(text.contains(&endpoint) && text.contains("nothing listens there"), "{text}");
        server.freeze();
        let text = sentence(client(&server.endpoint(), &[])).await;
        assert!(text.contains("no answer within 1500 ms"), "{text}");
    });
}

#[test]
fn passwords_and_encryption() {
    let folder = certificate();
    let encrypted = RedisServer::start_tls(&folder);
    let locked = RedisServer::start(&["--requirepass", "pw"]);
    let unix = RedisServer::start_unix();
    on_loop(async {
        let url = format!("rediss://localhost:{}", encrypted.port);
        let authority = format!("--redis-ca-file={}", folder.path().join("ca.pem").display());
        let (log, _task) = follow(client(&url, &[&authority])).await;
        assert_eq!(encrypted.cli(&["PUBLISH", "MESSAGES", "a"]), "1");
        assert_eq!(log.until(2).await, ["up", "a"]);
        let text = sentence(client(&url, &[])).await;
        assert!(text.contains("its certificate is not trusted"), "{text}");

        let (log, _task) = follow(client(&locked.endpoint(), &["--redis-password=pw"])).await;
        locked.cli(&["-a", "pw", "PUBLISH", "MESSAGES", "a"]);
        assert_eq!(log.until(2).await, ["up", "a"]);
        let text = sentence(client(&locked.endpoint(), &["--redis-password=no"])).await;
        assert!(text.contains("refused the password"), "{text}");
        let text = sentence(client(&locked.endpoint(), &["--redis-password="])).await;
        assert!(text.contains("asks for a password"), "{text}");

        let url = format!("unix:{}", unix.socket().display());
        let (log, _task) = follow(client(&url, &[])).await;
        unix.cli(&["PUBLISH", "MESSAGES", "a"]);
        assert_eq!(log.until(2).await, ["up", "a"]);
    });
}
