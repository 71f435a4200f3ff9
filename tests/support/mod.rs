//! Helpers that tests share: a Redis of one's own, and a loop like the server's.

// Each test binary compiles this anew and uses a part of it.
#![allow(dead_code, missing_docs)]

pub mod stores;

use std::{
    env,
    ffi::OsString,
    fs,
    future::Future,
    net::TcpListener,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use redis_chat_server::{config::Config, store::redis::link};
use tokio::{runtime, task::LocalSet, time::timeout};

/// Longer than any test should take on a busy machine.
const TEST_LIMIT: Duration = Duration::from_secs(60);
/// A time-out for tests that don't look at time-outs.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// Within which a started Redis must accept connections.
const START_LIMIT: Duration = Duration::from_secs(10);

/// Runs a test on one thread with a `LocalSet`, as the server runs, and fails if it hangs.
pub fn on_loop<F: Future>(test: F) -> F::Output {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        timeout(TEST_LIMIT, test).await.expect("the test takes too long")
    })
}

/// The client that the server would make of these settings.
pub fn client(endpoint: &str, settings: &[&str]) -> redis::Client {
    try_client(endpoint, settings).unwrap()
}

/// The same, where it may fail.
pub fn try_client(endpoint: &str, settings: &[&str]) -> Result<redis::Client, String> {
    let endpoint = format!("--redis-endpoint-url={endpoint}");
    let arguments = ["server", &endpoint].into_iter().chain(settings.iter().copied());
    link::client(&Config::parse_from(arguments.map(OsString::from), "").unwrap().redis)
}

/// A port on which nobody listened a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A folder that goes away with its owner.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        let path = env::temp_dir().join(format!("chat-test-{:016x}", rand::random::<u64>()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A redis-server of one's own, killed with its owner.
pub struct RedisServer {
    child: Child,
    /// The port it listens on, with or without TLS.
    pub port: u16,
    /// Arguments to start it with.
    arguments: Vec<String>,
    /// Arguments for redis-cli.
    client_arguments: Vec<String>,
    folder: Folder,
}

impl RedisServer {
    /// Starts one on a free port, with these arguments besides.
    pub fn start(arguments: &[&str]) -> Self {
        Self::start_with(|port, _| {
            let port = port.to_string();
            let own = ["--port", &port].into_iter().chain(arguments.iter().copied());
            let cli = ["-h", "127.0.0.1", "-p", &port];
            (own.map(Into::into).collect(), cli.map(Into::into).to_vec())
        })
    }

    /// Starts one with TLS only; `certificate` was made by [`certificate`].
    pub fn start_tls(certificate: &Folder) -> Self {
        let file = |name: &str| certificate.path().join(name).display().to_string();
        Self::start_with(|port, _| {
            let port = port.to_string();
            let own = ["--port", "0", "--tls-port", &port, "--tls-auth-clients", "no"];
            let mut own: Vec<String> = own.map(Into::into).to_vec();
            for (name, value) in [
                ("--tls-cert-file", "cert.pem"),
                ("--tls-key-file", "key.pem"),
                ("--tls-ca-cert-file", "ca.pem"),
            ] {
                own.extend([name.into(), file(value)]);
            }
            let cli = ["-h", "127.0.0.1", "-p", &port, "--tls", "--cacert", &file("ca.pem")];
            (own, cli.map(Into::into).to_vec())
        })
    }

    /// Starts one that listens on a Unix socket only, at [`RedisServer::socket`].
    pub fn start_unix() -> Self {
        Self::start_with(|_, folder| {
            let socket = folder.join("redis.sock").display().to_string();
            (["--port", "0"].map(Into::into).to_vec(), vec!["-s".into(), socket])
        })
    }

    fn start_with(arguments: impl Fn(u16, &Path) -> (Vec<String>, Vec<String>)) -> Self {
        // Another process may take the port in between, so a start may fail.
        for _ in 0..5 {
            let folder = Folder::new();
            let port = free_port();
            let (arguments, client_arguments) = arguments(port, folder.path());
            let child = spawn(&arguments, &folder);
            let mut server = Self { child, port, arguments, client_arguments, folder };
            if server.until_ready() {
                return server;
            }
        }
        panic!("redis-server does not start");
    }

    fn until_ready(&mut self) -> bool {
        let started = Instant::now();
        while started.elapsed() < START_LIMIT {
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            // It listens there last. On the port somebody else may answer, if both were given the same.
            if UnixStream::connect(self.socket()).is_ok() {
                return true;
            }
            sleep(Duration::from_millis(10));
        }
        false
    }

    /// Where it listens, in the original's form.
    pub fn endpoint(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Its Unix socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("redis.sock")
    }

    /// Kills it, without a chance to say goodbye.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again, empty, on the same port.
    pub fn restart(&mut self) {
        self.restart_with(&[]);
    }

    /// The same, with these arguments besides.
    pub fn restart_with(&mut self, arguments: &[&str]) {
        let more = arguments.iter().map(|argument| argument.to_string());
        let arguments: Vec<String> = self.arguments.iter().cloned().chain(more).collect();
        self.child = spawn(&arguments, &self.folder);
        assert!(self.until_ready(), "redis-server does not start again");
    }

    /// Stops it in the middle of what it does; connections stay open.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    /// Runs one command with redis-cli, a client of other make than the one under test.
    pub fn cli(&self, command: &[&str]) -> String {
        let mut cli = Command::new("redis-cli");
        let output = cli.args(&self.client_arguments).args(command).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// The lines of a reply, sorted: for sets.
    pub fn cli_sorted(&self, command: &[&str]) -> Vec<String> {
        let mut lines: Vec<String> = self.cli(command).lines().map(Into::into).collect();
        lines.sort();
        lines
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // Works on a frozen process as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(arguments: &[String], folder: &Folder) -> Child {
    Command::new("redis-server")
        .args(["--save", "", "--appendonly", "no", "--bind", "127.0.0.1", "--dir"])
        .arg(folder.path())
        .arg("--unixsocket")
        .arg(folder.path().join("redis.sock"))
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("redis-server must be installed")
}

/// A folder with `ca.pem`, and `cert.pem` and `key.pem` for 127.0.0.1 and localhost signed by it.
pub fn certificate() -> Folder {
    let folder = Folder::new();
    let openssl = |arguments: &str| {
        let mut command = Command::new("openssl");
        command.args(arguments.split(' ')).current_dir(folder.path());
        let output = command.output().expect("openssl must be installed");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    fs::write(
        folder.path().join("names.txt"),
        "basicConstraints=CA:FALSE\nsubjectAltName=DNS:localhost,IP:127.0.0.1\n",
    )
    .unwrap();
    let new = "-newkey rsa:2048 -nodes -days 2";
    openssl(&format!("req -x509 {new} -keyout ca.key -out ca.pem -subj /CN=test-authority"));
    openssl("req -newkey rsa:2048 -nodes -keyout key.pem -out cert.csr -subj /CN=localhost");
    openssl(
        "x509 -req -in cert.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \
         -extfile names.txt -out cert.pem",
    );
    folder
}
