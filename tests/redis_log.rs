//! What the log says when Redis goes away and comes back. One test in a process of its own: whether
//! a log line is of interest is remembered per process, so tests beside it could silence it.

mod support;

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
    time::Duration,
};

use redis::pipe;
use redis_chat_server::store::{StoreError, redis::link::Link};
use support::{RedisServer, client, on_loop};
use tokio::time::{sleep, timeout};

/// Collects what is logged.
#[derive(Clone, Default)]
struct Pages(Arc<Mutex<Vec<u8>>>);

impl Write for Pages {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_loss_and_the_return_are_logged_once_each() {
    let pages = Pages::default();
    let writer = pages.clone();
    let log = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone());
    log.init();
    let mut server = RedisServer::start(&["--requirepass", "s3cret"]);
    on_loop(async {
        let endpoint = server.endpoint();
        let client = client(&endpoint, &["--redis-password=s3cret"]);
        let link = Link::start(client, Duration::from_millis(1500)).await.unwrap();
        server.kill();
        for _ in 0..20 {
            let answer = link.query(pipe().cmd("PING")).await;
            assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
            sleep(Duration::from_millis(20)).await;
        }
        server.restart();
        timeout(Duration::from_secs(5), link.until_up()).await.unwrap();
        let text = String::from_utf8(pages.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert!(lines[0].contains("WARN") && lines[0].contains("lost Redis"), "{text}");
        assert!(lines[0].contains(&endpoint) && lines[0].contains("why="), "{text}");
        assert!(lines[1].contains("INFO") && lines[1].contains("Redis is back"), "{text}");
        assert!(!text.contains("s3cret"), "{text}");
    });
}
