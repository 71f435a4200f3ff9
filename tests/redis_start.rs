//! The first connection to Redis: where it is, signing in, encryption, and the sentence that says why
//! it can't be used (`http-and-redis.md` section 13).

mod support;

use std::{
    fs,
    time::{Duration, Instant},
};

use redis::{Pipeline, pipe};
use redis_chat_server::store::redis::link::{Link, StartError, open};
use support::{Folder, PATIENCE, RedisServer, certificate, client, free_port, on_loop, try_client};
use tokio::net::TcpListener;

/// The server's default.
const TIMEOUT: Duration = Duration::from_millis(1500);

fn command(parts: &[&str]) -> Pipeline {
    let mut pipeline = pipe();
    pipeline.cmd(parts[0]).arg(&parts[1..]);
    pipeline
}

async fn sentence(endpoint: &str, settings: &[&str]) -> String {
    match Link::start(client(endpoint, settings), TIMEOUT).await {
        Ok(_) => panic!("started"),
        Err(StartError(text)) => text,
    }
}

#[test]
fn passwords() {
    let server = RedisServer::start(&["--requirepass", "s3cret wörd"]);
    on_loop(async {
        let endpoint = server.endpoint();
        let right = client(&endpoint, &["--redis-password=s3cret wörd"]);
        assert!(!format!("{right:?}").contains("s3cret"));
        let link = Link::start(right, TIMEOUT).await.unwrap();
        link.query(&command(&["PING"])).await.unwrap();
        let url = format!("redis://:s3cret%20w%C3%B6rd@{endpoint}");
        Link::start(client(&url, &["--redis-password="]), TIMEOUT).await.unwrap();
        // The setting wins over the URL.
        let url = format!("redis://default:other@{endpoint}/0");
        Link::start(client(&url, &["--redis-password=s3cret wörd"]), TIMEOUT).await.unwrap();

        let wrong = sentence(&endpoint, &["--redis-password=s3cret"]).await;
        assert!(wrong.contains("the password (REDIS_PASSWORD) is wrong"), "{wrong}");
        assert!(wrong.contains(&endpoint) && !wrong.contains("s3cret"), "{wrong}");
        let missing = sentence(&endpoint, &["--redis-password="]).await;
        assert!(missing.contains("needs a password; set REDIS_PASSWORD"), "{missing}");
    });
}

#[test]
fn a_password_that_is_not_wanted() {
    let server = RedisServer::start(&[]);
    on_loop(async {
        let text = sentence(&server.endpoint(), &["--redis-password=s3cret"]).await;
        assert!(text.contains("but it wants none") && !text.contains("s3cret"), "{text}");
    });
}

#[test]
fn where_nothing_answers() {
    on_loop(async {
        let endpoint = format!("127.0.0.1:{}", free_port());
        let text = sentence(&endpoint, &[]).await;
        assert_eq!(text, format!("Redis can't be reached at {endpoint}: nothing listens there"));
        let text = sentence("no-such-host.invalid:6379", &[]).await;
        assert!(
            text.starts_with("Redis can't be reached at no-such-host.invalid:6379: "),
            "{text}"
        );

        // Somebody who accepts and says nothing.
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = silent.local_addr().unwrap().to_string();
        let asked = Instant::now();
        let text = sentence(&endpoint, &[]).await;
        assert!(text.ends_with("no answer within 1500 ms"), "{text}");
        assert!(asked.elapsed() < PATIENCE);
        assert!(open(&client(&endpoint, &[]), TIMEOUT).await.unwrap_err().is_timeout());

        let text = sentence("unix:/nowhere/redis.sock", &[]).await;
        assert_eq!(text, "Redis can't be reached at /nowhere/redis.sock: nothing listens there");
    });
}

#[test]
fn endpoints_in_the_originals_form_and_as_urls() {
    let address = |endpoint: &str| {
        let client = try_client(endpoint, &["--redis-password="])?;
        let info = client.get_connection_info();
        Ok::<_, String>((info.addr().to_string(), info.redis_settings().db()))
    };
    let expect = |endpoint: &str, place: &str, database: i64| {
        assert_eq!(address(endpoint).unwrap(), (place.to_owned(), database), "{endpoint}");
    };
    expect("127.0.0.1:7000", "127.0.0.1:7000", 0);
    expect("redis", "redis:6379", 0);
    expect("redis:6380", "redis:6380", 0);
    expect("unix:6380", "unix:6380", 0);
    expect("host:", "host:6379", 0);
    expect(":7000", "127.0.0.1:7000", 0);
    expect("host:7000:more:parts", "host:7000", 0);
    expect("redis://host", "host:6379", 0);
    expect("redis://user:pass@host:7000/3", "host:7000", 3);
    expect("redis://[::1]:7000", "::1:7000", 0);
    expect("rediss://host:7000", "host:7000", 0);
    expect("unix:/run/redis.sock", "/run/redis.sock", 0);
    expect("unix:///run/redis.sock?db=2", "/run/redis.sock", 2);

    for wrong in [
        "host:port",
        "host:0",
        "host:70000",
        "user:s3cret@host:6379",
        "http://host",
        "redis://",
        "redis://:s3cret@host/x",
        "redis://:s3cret@host:port",
        "rediss://:s3cret@host/#insecure",
    ] {
        let why = address(wrong).unwrap_err();
        assert!(why.contains("REDIS_ENDPOINT_URL"), "{wrong}: {why}");
        assert!(!why.contains("s3cret"), "{wrong}: {why}");
    }
}

#[test]
fn unix_sockets() {
    let server = RedisServer::start_unix();
    on_loop(async {
        for scheme in ["unix:", "unix://", "redis+unix://"] {
            let url = format!("{scheme}{}", server.socket().display());
            let link = Link::start(client(&url, &[]), TIMEOUT).await.unwrap();
            link.query(&command(&["INCR", "n"])).await.unwrap();
        }
        assert_eq!(server.cli(&["GET", "n"]), "3");
    });
}

#[test]
fn encrypted_connections() {
    let folder = certificate();
    let server = RedisServer::start_tls(&folder);
    on_loop(async {
        let authority = format!("--redis-ca-file={}", folder.path().join("ca.pem").display());
        for host in ["127.0.0.1", "localhost"] {
            let url = format!("rediss://{host}:{}", server.port);
            let link = Link::start(client(&url, &[&authority]), TIMEOUT).await.unwrap();
            link.query(&command(&["INCR", "n"])).await.unwrap();
        }
        assert_eq!(server.cli(&["GET", "n"]), "2");

        let url = format!("rediss://127.0.0.1:{}", server.port);
        let text = sentence(&url, &[]).await;
        assert!(text.contains("its certificate is not trusted"), "{text}");
        assert!(text.contains("UnknownIssuer") && text.contains("REDIS_CA_FILE"), "{text}");
        let other = certificate();
        let stranger = format!("--redis-ca-file={}", other.path().join("ca.pem").display());
        let text = sentence(&url, &[&stranger]).await;
        assert!(text.contains("its certificate is not trusted"), "{text}");

        let plain = sentence(&server.endpoint(), &[]).await;
        assert!(plain.starts_with("Redis can't be reached at"), "{plain}");
    });
}

#[test]
fn files_that_hold_no_authority() {
    let folder = Folder::new();
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        format!("--redis-ca-file={}", path.display())
    };
    let why = |endpoint: &str, setting: &str| try_client(endpoint, &[setting]).unwrap_err();
    let url = "rediss://127.0.0.1:1";
    assert!(why(url, "--redis-ca-file=/nowhere.pem").contains("'/nowhere.pem' can't be read"));
    assert!(why(url, &file("empty.pem", "")).contains("holds no certificate"));
    let torn = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(why(url, &file("torn.pem", torn)).contains("can't be used"));
    let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    assert!(why(url, &file("key.pem", key)).contains("holds no certificate"));
    assert!(why("127.0.0.1:1", &file("any.pem", torn)).contains("not a rediss:// URL"));
}
