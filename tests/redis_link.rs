//! What happens to commands when Redis is slow, goes away and comes back (`http-and-redis.md`
//! section 13).

mod support;

use std::{
    cell::Cell,
    rc::Rc,
    time::{Duration, Instant},
};

use futures_util::{FutureExt, future::join_all};
use redis::{Pipeline, Value, pipe};
use redis_chat_server::store::{
    StoreError,
    redis::link::{Link, StartError},
};
use support::{PATIENCE, RedisServer, client, free_port, on_loop};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
    time::{sleep, timeout},
};

/// The server's default.
const TIMEOUT: Duration = Duration::from_millis(1500);

fn command(parts: &[&str]) -> Pipeline {
    let mut pipeline = pipe();
    pipeline.cmd(parts[0]).arg(&parts[1..]);
    pipeline
}

async fn start(server: &RedisServer) -> Link {
    Link::start(client(&server.endpoint(), &[]), TIMEOUT).await.unwrap()
}

async fn sentence(endpoint: &str, settings: &[&str]) -> String {
    match Link::start(client(endpoint, settings), TIMEOUT).await {
        Ok(_) => panic!("started"),
        Err(StartError(text)) => text,
    }
}

#[track_caller]
fn assert_unavailable<T: std::fmt::Debug>(outcome: Result<T, StoreError>) -> String {
    match outcome {
        Err(StoreError::Unavailable(why)) => why,
        other => panic!("not unavailable: {other:?}"),
    }
}

#[test]
fn errors_of_single_commands_stay_in_their_place() {
    let server = RedisServer::start(&[]);
    on_loop(async {
        let link = start(&server).await;
        let mut mixed = pipe();
        mixed
            .cmd("SET")
            .arg("a")
            .arg(1)
            .cmd("SADD")
            .arg("a")
            .arg(1)
            .cmd("NOSUCH")
            .cmd("GET")
            .arg("a");
        let replies = link.query(&mixed).await.unwrap();
        assert_eq!(replies[0], Value::Okay);
        assert!(matches!(&replies[1], Value::ServerError(why) if why.code() == "WRONGTYPE"));
        assert!(matches!(&replies[2], Value::ServerError(why) if why.code() == "ERR"));
        assert_eq!(replies[3], Value::BulkString(b"1".to_vec()));
        assert_eq!(link.query(&pipe()).await.unwrap(), []);

        // A transaction shows what MULTI, each command and EXEC answered.
        let mut atomic = pipe();
        atomic.atomic().cmd("INCR").arg("a").cmd("SADD").arg("a").arg(1).cmd("GET").arg("a");
        let replies = link.query(&atomic).await.unwrap();
        assert_eq!(replies.len(), 5);
        let Value::Array(done) = &replies[4] else { panic!("{replies:?}") };
        assert_eq!(done[0], Value::Int(2));
        assert!(matches!(&done[1], Value::ServerError(why) if why.code() == "WRONGTYPE"));
        assert_eq!(done[2], Value::BulkString(b"2".to_vec()));
        let mut refused = pipe();
        refused.atomic().cmd("NOSUCH").cmd("INCR").arg("a");
        let replies = link.query(&refused).await.unwrap();
        assert!(matches!(&replies[1], Value::ServerError(_)));
        assert!(matches!(&replies[3], Value::ServerError(why) if why.code() == "EXECABORT"));
        assert!(link.is_up());
    });
}

#[test]
fn calls_go_out_in_the_order_in_which_they_are_made() {
    let server = RedisServer::start(&[]);
    on_loop(async {
        let link = Link::start(client(&server.endpoint(), &[]), PATIENCE).await.unwrap();
        // More than may wait in line, by tasks that use up their turn: the runtime would hold back
        // the rest of each task's calls, and the next task would overtake it.
        let tasks = (0..20u32).map(|task| {
            let link = link.clone();
            tokio::task::spawn_local(async move {
                let numbers = (task * 300)..(task + 1) * 300;
                let calls: Vec<_> =
                    numbers.map(|n| command(&["RPUSH", "list", &n.to_string()])).collect();
                for outcome in join_all(calls.iter().map(|call| link.query(call))).await {
                    outcome.unwrap();
                }
            })
        });
        for task in join_all(tasks).await {
            task.unwrap();
        }
        let order: Vec<u32> = server
            .cli(&["LRANGE", "list", "0", "-1"])
            .lines()
            .map(|n| n.parse().unwrap())
            .collect();
        assert!(order.iter().copied().eq(0..6_000));
    });
}

#[test]
fn a_killed_redis_is_noticed_and_its_return_too() {
    let mut server = RedisServer::start(&[]);
    on_loop(async {
        let link = start(&server).await;
        let ping = command(&["PING"]);
        for _ in 0..3 {
            link.query(&ping).await.unwrap();
            server.kill();
            let why = assert_unavailable(link.query(&ping).await);
            assert!(!why.contains("no answer"), "{why}");
            assert!(!link.is_up());
            // The reason changes with the first attempt to reconnect.
            loop {
                let answer = link.query(&ping).now_or_never();
                let why = assert_unavailable(answer.expect("fails at once"));
                assert!(why.contains(&server.endpoint()), "{why}");
                if why.contains("nothing listens there") {
                    break;
                }
                sleep(Duration::from_millis(20)).await;
            }
            server.restart();
            timeout(PATIENCE, link.until_up()).await.unwrap();
            assert!(link.is_up());
            link.query(&ping).await.unwrap();
        }
    });
}

#[test]
fn a_loss_is_noticed_without_any_call() {
    let mut server = RedisServer::start(&[]);
    on_loop(async {
        let link = start(&server).await;
        server.kill();
        while link.is_up() {
            sleep(Duration::from_millis(10)).await;
        }
        server.restart();
        timeout(PATIENCE, link.until_up()).await.unwrap();
    });
}

#[test]
fn a_closed_connection_is_replaced() {
    let server = RedisServer::start(&[]);
    on_loop(async {
        let link = start(&server).await;
        for _ in 0..3 {
            server.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
            assert_unavailable(link.query(&command(&["PING"])).await);
            timeout(PATIENCE, link.until_up()).await.unwrap();
            link.query(&command(&["PING"])).await.unwrap();
        }
    });
}

#[test]
fn a_frozen_redis_fails_all_calls_in_time() {
    let server = RedisServer::start(&[]);
    on_loop(async {
        let link = start(&server).await;
        server.freeze();
        let asked = Instant::now();
        let incr = command(&["INCR", "n"]);
        let early = async { (assert_unavailable(link.query(&incr).await), Instant::now()) };
        let late = async {
            sleep(Duration::from_millis(1_000)).await;
            (assert_unavailable(link.query(&incr).await), Instant::now())
        };
        let ((early, first), (late, last)) = futures_util::future::join(early, late).await;
        assert!(asked.elapsed() >= Duration::from_millis(1_400), "{:?}", asked.elapsed());
        // The later call ends with the connection, not after a time-out of its own.
        assert!(last - first < Duration::from_millis(900), "{:?}", last - first);
        assert!(early.contains("no answer within 1500 ms"), "{early}");
        assert!(late.contains("no answer within 1500 ms"), "{late}");
        assert_unavailable(link.query(&incr).now_or_never().expect("fails at once"));
        sleep(Duration::from_secs(2)).await;
        assert!(!link.is_up());
        server.thaw();
        timeout(PATIENCE, link.until_up()).await.unwrap();
        link.query(&incr).await.unwrap();
    });
}

/// Passes connections on to Redis. What the first one sends once `held` is true is kept back until
/// `release`, even if the sender is gone by then: so does a network that was away for a while.
async fn passage(to: u16, held: Rc<Cell<bool>>, release: Rc<Notify>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = listener.local_addr().unwrap().to_string();
    tokio::task::spawn_local(async move {
        let mut first = true;
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
            let (mut from_client, mut to_client) = client.into_split();
            let (mut from_server, mut to_server) = server.into_split();
            let (held, release) = (held.clone(), release.clone());
            let may_hold = std::mem::replace(&mut first, false);
            tokio::task::spawn_local(async move {
                let _ = tokio::io::copy(&mut from_server, &mut to_client).await;
            });
            tokio::task::spawn_local(async move {
                let mut kept = Vec::new();
                let mut buffer = [0; 4096];
                while let Ok(length @ 1..) = from_client.read(&mut buffer).await {
                    if may_hold && held.get() {
                        kept.extend_from_slice(&buffer[..length]);
                    } else if to_server.write_all(&buffer[..length]).await.is_err() {
                        return;
                    }
                }
                if !kept.is_empty() {
                    release.notified().await;
                    let _ = to_server.write_all(&kept).await;
                    // Open for long enough to do harm.
                    sleep(PATIENCE).await;
                }
            });
        }
    });
    endpoint
}

#[test]
fn nothing_of_a_lost_connection_is_done_after_the_return() {
    let server = RedisServer::start(&[]);
    on_loop(async {
        let (held, release) = (Rc::new(Cell::new(false)), Rc::new(Notify::new()));
        let endpoint = passage(server.port, held.clone(), release.clone()).await;
        let link = Link::start(client(&endpoint, &[]), TIMEOUT).await.unwrap();
        link.query(&command(&["INCR", "n"])).await.unwrap();
        held.set(true);
        assert_unavailable(link.query(&command(&["INCR", "n"])).await);
        timeout(PATIENCE, link.until_up()).await.unwrap();
        release.notify_one();
        sleep(Duration::from_millis(300)).await;
        let value = link.query(&command(&["GET", "n"])).await.unwrap();
        assert_eq!(value, [Value::BulkString(b"1".to_vec())]);
    });
}

#[test]
fn a_redis_that_serves_nobody_counts_as_away() {
    let server = RedisServer::start(&[]);
    on_loop(async {
        let link = start(&server).await;
        server.cli(&["CONFIG", "SET", "replica-serve-stale-data", "no"]);
        server.cli(&["REPLICAOF", "127.0.0.1", &free_port().to_string()]);
        let why = assert_unavailable(link.query(&command(&["GET", "a"])).await);
        assert!(why.contains("MASTERDOWN"), "{why}");
        sleep(Duration::from_millis(500)).await;
        assert!(!link.is_up());
        let text = sentence(&server.endpoint(), &[]).await;
        assert!(text.contains("can't be used: MASTERDOWN"), "{text}");
        server.cli(&["REPLICAOF", "NO", "ONE"]);
        timeout(PATIENCE, link.until_up()).await.unwrap();
        link.query(&command(&["GET", "a"])).await.unwrap();
    });
}

#[test]
fn a_read_only_redis_refuses_single_commands() {
    let server = RedisServer::start(&[]);
    on_loop(async {
        let link = start(&server).await;
        server.cli(&["REPLICAOF", "127.0.0.1", &free_port().to_string()]);
        let replies = link.query(&command(&["SET", "a", "1"])).await.unwrap();
        assert!(matches!(&replies[0], Value::ServerError(why) if why.code() == "READONLY"));
        assert!(link.is_up());
    });
}

#[test]
fn many_large_calls_at_once() {
    let server = RedisServer::start(&[]);
    on_loop(async {
        let link = Link::start(client(&server.endpoint(), &[]), PATIENCE).await.unwrap();
        let large = "x".repeat(1 << 20);
        let calls: Vec<_> = (0..64).map(|n| command(&["SET", &format!("k{n}"), &large])).collect();
        for outcome in join_all(calls.iter().map(|call| link.query(call))).await {
            assert_eq!(outcome.unwrap(), [Value::Okay]);
        }
        let calls: Vec<_> = (0..64).map(|n| command(&["STRLEN", &format!("k{n}")])).collect();
        for outcome in join_all(calls.iter().map(|call| link.query(call))).await {
            assert_eq!(outcome.unwrap(), [Value::Int(1 << 20)]);
        }
        // Dropped calls do no harm to others.
        for call in &calls {
            assert!(link.query(call).now_or_never().is_none());
        }
        link.query(&command(&["PING"])).await.unwrap();
    });
}

#[test]
fn the_last_link_takes_the_connection_with_it() {
    let server = RedisServer::start(&[]);
    on_loop(async {
        let link = start(&server).await;
        let clone = link.clone();
        drop(link);
        clone.query(&command(&["PING"])).await.unwrap();
        drop(clone);
        sleep(Duration::from_millis(300)).await;
        // The one that is left is redis-cli's own.
        assert_eq!(server.cli(&["CLIENT", "LIST"]).lines().count(), 1);
    });
}

#[test]
fn a_redis_that_comes_back_with_another_password_stays_away() {
    let mut server = RedisServer::start(&[]);
    on_loop(async {
        let link = start(&server).await;
        server.kill();
        assert_unavailable(link.query(&command(&["PING"])).await);
        server.restart_with(&["--requirepass", "new"]);
        sleep(Duration::from_millis(1_500)).await;
        let why = assert_unavailable(link.query(&command(&["PING"])).await);
        assert!(why.contains("asks for a password"), "{why}");
        server.kill();
        server.restart();
        timeout(PATIENCE, link.until_up()).await.unwrap();
    });
}
