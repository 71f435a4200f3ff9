//! Child processes: started on free ports, ended by their id, whatever happens.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::error::{Error, because};

const START_PATIENCE: Duration = Duration::from_secs(60);

/// The process ids of the children that live, for whoever has to end them when the run is broken off.
pub type Living = Arc<Mutex<Vec<u32>>>;

/// A child that ends with its owner.
#[derive(Debug)]
pub struct Process {
    child: Child,
    living: Living,
    log: PathBuf,
}

impl Process {
    /// Starts `command`; what it prints goes to the file `log`.
    pub fn start(mut command: Command, log: PathBuf, living: &Living) -> Result<Process, Error> {
        let out = File::create(&log).map_err(because(log.display().to_string()))?;
        let errors = out.try_clone().map_err(because("its log"))?;
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(errors)
            .spawn()
            .map_err(because(format!("can't start {name}")))?;
        living.lock().expect("no holder panics").push(child.id());
        Ok(Process { child, living: Arc::clone(living), log })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `ready` says so, and tells how long that took.
    pub fn wait_until(&mut self, ready: impl Fn() -> bool) -> Result<Duration, Error> {
        let began = Instant::now();
        while !ready() {
            let ended = self.child.try_wait().map_err(because("its exit code"))?;
            if ended.is_some() || began.elapsed() > START_PATIENCE {
                let state = ended.map_or("did not serve in time".into(), |code| code.to_string());
                return Err(Error::new(format!("it {state}: {}", self.words())));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(began.elapsed())
    }

    /// Waits for its end, which must be a success.
    pub fn finish(mut self) -> Result<(), Error> {
        let code = self.child.wait().map_err(because("its exit code"))?;
        if code.success() { Ok(()) } else { Err(Error::new(format!("{code}: {}", self.words()))) }
    }

    fn words(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let from = text.char_indices().rev().nth(1500).map_or(0, |(at, _)| at);
        text[from..].trim().to_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let pid = self.child.id();
        // At once: a graceful stop would announce the leave of every socket to all others.
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.living.lock().expect("no holder panics").retain(|other| *other != pid);
    }
}

/// Ends what lives, when a signal ends the run.
pub fn end_all(living: &Living) {
    for pid in living.lock().expect("no holder panics").iter() {
        let _ = kill(Pid::from_raw(*pid as i32), Signal::SIGKILL);
    }
}

/// A port that was free a moment ago.
pub fn free_port() -> Result<u16, Error> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(because("a free port"))?;
    listener.local_addr().map(|address| address.port()).map_err(because("a free port"))
}

/// Whether an HTTP server answers at `address`.
pub fn serves_http(address: SocketAddr) -> bool {
    let ask = || -> std::io::Result<usize> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(
            b"GET /index.html HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        )?;
        stream.read(&mut [0; 64])
    };
    ask().is_ok_and(|length| length > 0)
}

/// A command without the settings of the caller's shell that would change what a server does.
pub fn command(program: impl AsRef<OsStr>, folder: &Path) -> Command {
    const CLEARED: [&str; 23] = [
        "PORT",
        "REDIS_ENDPOINT_URL",
        "REDIS_PASSWORD",
        "STORE",
        "DATA_FILE",
        "DATA_SYNC",
        "COMPAT",
        "CLIENT_DIR",
        "ENGINE_CLIENT_DIR",
        "LINKS_FILE",
        "SESSION_SECRET",
        "SERVER_ID",
        "WORKERS",
        "ALLOWED_ORIGINS",
        "TRUSTED_PROXIES",
        "LIMITS",
        "NODE_ENV",
        "NODE_OPTIONS",
        "LOG_LEVEL",
        "LOG_FORMAT",
        "QUEUE_BYTES",
        "QUEUE_PACKETS",
        "IO_URING",
    ];
    let mut command = Command::new(program);
    for name in CLEARED {
        command.env_remove(name);
    }
    // Away from a `.env` of the caller's.
    command.current_dir(folder);
    command
}
