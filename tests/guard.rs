//! Levers that must not be lost, counted instead of timed, so that a busy machine changes nothing:
//! allocations and system calls per delivery, commands and round trips to Redis per message
//! (docs/PERFORMANCE.md).
//!
//! The server runs in this process for the first test and as a program for the second. Its clients are
//! bare sockets that allocate nothing while it is counted.

mod support;

use std::{
    alloc::System,
    fmt::Write as _,
    io::{Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use redis_chat_server::{config::Config, ops::serve};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use support::{RedisServer, free_port};
use tokio::{runtime, task::LocalSet};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Only one test may be counted at a time.
static ALONE: Mutex<()> = Mutex::new(());

const RECEIVERS: usize = 100;
const MESSAGES: usize = 200;
const PATIENCE: Duration = Duration::from_secs(30);

/// A user's cookie, by a registration.
fn register(port: u16) -> String {
    let body = r#"{"username":"guard","password":"guard"}"#;
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(stream, "POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let cookie = answer
        .lines()
        .find_map(|line| line.to_lowercase().starts_with("set-cookie: ").then(|| &line[12..]));
    cookie.expect("a cookie").split(';').next().unwrap().to_owned()
}

/// A client frame; its mask is zero, so that the text stays as it is.
fn framed(text: &str) -> Vec<u8> {
    let mut frame = vec![0x81];
    match text.len() {
        n @ 0..=125 => frame.push(0x80 | n as u8),
        n => frame.extend([0x80 | 126, (n >> 8) as u8, n as u8]),
    }
    frame.extend([0; 4]);
    frame.extend(text.as_bytes());
    frame
}

/// The `n`th message; all are of one length.
fn message(n: usize) -> String {
    format!(
        r#"42["message",{{"from":"1","date":1700000000.{n:03}1,"message":"number {n:05}","roomId":"0"}}]"#
    )
}

/// A socket that is in the general room, with nothing unread.
fn join(port: u16, cookie: &str) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nCookie: {cookie}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n").unwrap();
    stream.write_all(&framed("40")).unwrap();
    until(&mut stream, b"40{\"sid\"");
    stream.write_all(&framed(r#"42["room.join","0"]"#)).unwrap();
    stream
}

/// Reads until something has come.
fn until(stream: &mut TcpStream, what: &[u8]) {
    let (mut seen, mut buffer) = (Vec::<u8>::new(), [0; 4096]);
    while !seen.windows(what.len()).any(|part| part == what) {
        let n = stream.read(&mut buffer).expect("the server answers");
        assert!(n > 0, "the server closed the connection");
        seen.extend(&buffer[..n]);
    }
}

/// A room of many sockets, of whom the first one speaks.
struct Room {
    sockets: Vec<TcpStream>,
    frames: Vec<Vec<u8>>,
    /// Bytes of one delivery.
    size: usize,
    buffer: Vec<u8>,
}

impl Room {
    fn gather(port: u16) -> Room {
        let cookie = register(port);
        let sockets: Vec<_> = (0..RECEIVERS).map(|_| join(port, &cookie)).collect();
        let frames: Vec<_> = (0..2 * MESSAGES + 1).map(|n| framed(&message(n))).collect();
        // Without mask and the bit that tells of one, a delivery is as long as what was sent.
        let size = frames[0].len() - 4;
        let mut room = Room { sockets, frames, size, buffer: vec![0; size * MESSAGES] };
        // After this everybody has heard of everybody.
        let last = room.frames.len() - 1;
        room.sockets[0].write_all(&room.frames[last]).unwrap();
        let text = message(last);
        for socket in &mut room.sockets {
            until(socket, text.as_bytes());
        }
        room
    }

    /// Says messages one after the other, each heard by all before the next.
    fn say_singly(&mut self) {
        for n in 0..MESSAGES {
            self.sockets[0].write_all(&self.frames[n]).unwrap();
            self.hear(1);
        }
    }

    /// Says as many at once.
    fn say_at_once(&mut self) {
        let all = self.frames[MESSAGES..2 * MESSAGES].concat();
        self.sockets[0].write_all(&all).unwrap();
        self.hear(MESSAGES);
    }

    fn hear(&mut self, messages: usize) {
        let part = &mut self.buffer[..self.size * messages];
        for socket in &mut self.sockets {
            socket.read_exact(part).expect("every message comes");
        }
    }
}

/// The server in this process. It ends with it.
fn start_here(redis: &RedisServer) -> u16 {
    let port = free_port();
    let arguments = ["server", "--compat=exact", "--log-level=error"].map(str::to_owned);
    let own = [format!("--redis-endpoint-url={}", redis.endpoint()), format!("--port={port}")];
    let config = Config::parse_from(arguments.into_iter().chain(own).map(Into::into), "").unwrap();
    thread::spawn(move || {
        let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
        LocalSet::new().block_on(&runtime, serve::run(config)).unwrap();
    });
    until_listening(port);
    port
}

fn until_listening(port: u16) {
    let began = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(began.elapsed() < PATIENCE, "the server does not start");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Commands that Redis has done for clients, and reads from their sockets, in all.
fn redis_counts(redis: &RedisServer) -> (u64, u64) {
    let text = redis.cli(&["INFO", "stats"]);
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|value| value.trim().parse().ok()).expect("a counter of Redis")
    };
    (field("total_commands_processed:"), field("total_reads_processed:"))
}

struct Counted {
    allocations: f64,
    commands: f64,
    reads: f64,
}

fn counted(redis: &RedisServer, work: impl FnOnce()) -> Counted {
    let (commands, reads) = redis_counts(redis);
    let region = Region::new(ALLOCATOR);
    work();
    let allocations = region.change().allocations;
    let (commands_after, reads_after) = redis_counts(redis);
    let per_message = |count: u64| count as f64 / MESSAGES as f64;
    Counted {
        allocations: allocations as f64 / (MESSAGES * RECEIVERS) as f64,
        commands: per_message(commands_after - commands),
        reads: per_message(reads_after - reads),
    }
}

#[test]
fn allocations_and_redis_commands() {
    let _alone = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let redis = RedisServer::start(&[]);
    let port = start_here(&redis);
    let mut room = Room::gather(port);

    let single = counted(&redis, || room.say_singly());
    let burst = counted(&redis, || room.say_at_once());
    println!(
        "one by one: {:.2} allocations per delivery, {:.1} commands and {:.2} reads of Redis per message; \
         at once: {:.2}, {:.1} and {:.2}",
        single.allocations,
        single.commands,
        single.reads,
        burst.allocations,
        burst.commands,
        burst.reads
    );
    // Encoded once and shared: what a message costs is divided by its receivers.
    assert!(single.allocations < 2.0, "{} allocations per delivery", single.allocations);
    assert!(burst.allocations < 0.9, "{} allocations per delivery", burst.allocations);
    // MULTI, EXISTS, SADD, ZADD, PUBLISH, the running number, EXEC.
    assert!(single.commands < 7.5, "{} commands per message", single.commands);
    // Nothing is awaited between the commands of a message.
    assert!(single.reads < 1.2, "{} reads per message", single.reads);
    // Under load one pipeline carries many messages.
    assert!(burst.reads < 0.2, "{} reads per message at once", burst.reads);
}

/// Ends its child with itself.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn system_calls() {
    let (single, burst) = system_calls_with("off");
    // One send for each, and what a message costs besides is divided by its receivers.
    assert!(single.0 < 1.02, "{} sends per delivery", single.0);
    assert!(single.1 < 1.25, "{} system calls per delivery", single.1);
    // Frames are merged: one send carries many.
    assert!(burst.0 < 0.1, "{} sends per delivery at once", burst.0);
}

#[test]
fn system_calls_with_io_uring() {
    if let Err(why) = batch_send::Ring::new() {
        return println!("the kernel allows no io_uring here: {why}");
    }
    let (single, burst) = system_calls_with("on");
    // One call sends to everybody.
    assert!(single.0 < 0.02, "{} sends per delivery", single.0);
    // Eight for a message. Tasks of two kinds would need two more looks at epoll.
    assert!(single.1 < 0.092, "{} system calls per delivery", single.1);
    assert!(burst.0 < 0.1, "{} sends per delivery at once", burst.0);
}

/// Sends and system calls per delivery, of messages one by one and at once.
fn system_calls_with(io_uring: &str) -> ((f64, f64), (f64, f64)) {
    let _alone = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let redis = RedisServer::start(&[]);
    let port = free_port();
    let place = support::Folder::new();
    let mut program = Command::new(env!("CARGO_BIN_EXE_redis-chat-server"));
    program.current_dir(place.path()).env_clear().env("PORT", port.to_string());
    program.env("COMPAT", "exact").env("LOG_LEVEL", "error").env("IO_URING", io_uring);
    program.env("REDIS_ENDPOINT_URL", redis.endpoint()).stdout(Stdio::null());
    let server = Running(program.spawn().unwrap());
    until_listening(port);
    let mut room = Room::gather(port);

    let single = traced(&server, &place, || room.say_singly());
    let burst = traced(&server, &place, || room.say_at_once());
    println!("sends per delivery, one by one and at once: {:.3}, {:.3}", single.0, burst.0);
    println!("system calls per delivery: {:.3}, {:.3}", single.1, burst.1);
    (single, burst)
}

/// Sends and system calls per delivery.
fn traced(server: &Running, place: &support::Folder, work: impl FnOnce()) -> (f64, f64) {
    let file = place.path().join("trace");
    let mut strace = Command::new("strace")
        .args(["-f", "-c", "-U", "calls,name", "-o"])
        .arg(&file)
        .args(["-p", &server.0.id().to_string()])
        .stderr(Stdio::piped())
        .spawn()
        .expect("strace is needed: `make needs` installs it");
    // It says so when it has attached.
    let mut said = [0; 200];
    let n = strace.stderr.as_mut().unwrap().read(&mut said).unwrap();
    let said = String::from_utf8_lossy(&said[..n]).into_owned();
    assert!(said.contains("attached"), "strace may not trace here: {said}");
    work();
    let pid = rustix::process::Pid::from_child(&strace);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    strace.wait().unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    let mut all = String::new();
    let (mut sends, mut total) = (0.0, 0.0);
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let (Some(count), Some(name)) = (words.next(), words.next()) else { continue };
        let Ok(count) = count.parse::<f64>() else { continue };
        if name == "total" {
            total = count;
        } else if name == "sendto" {
            sends = count;
        }
        let _ = write!(all, "{name} {count} ");
    }
    println!("{all}");
    let deliveries = (MESSAGES * RECEIVERS) as f64;
    (sends / deliveries, total / deliveries)
}
