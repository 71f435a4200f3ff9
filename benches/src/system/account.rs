//! What a process used, from its own accounting.

use std::{
    fs,
    time::{Duration, Instant},
};

use nix::{time::ClockId, unistd::Pid};

use crate::error::{Error, because};

/// CPU time of a whole process, threads that have ended included.
///
/// The kernel's CPU clock of the process is the sum of the run times of its threads in nanoseconds; `/proc/<pid>/stat`
/// has the same in ticks of 10 ms.
pub fn cpu(pid: u32) -> Result<Duration, Error> {
    let what = || format!("the CPU clock of process {pid}");
    let clock = ClockId::pid_cpu_clock_id(Pid::from_raw(pid as i32)).map_err(because(what()))?;
    clock.now().map(Duration::from).map_err(because(what()))
}

/// Resident memory of a process in bytes.
pub fn resident(pid: u32) -> Result<u64, Error> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = fs::read_to_string(&path).map_err(because(&path))?;
    text.lines()
        .find_map(|line| line.strip_prefix("Rss:")?.trim().strip_suffix(" kB")?.trim().parse().ok())
        .map(|kib: u64| kib * 1024)
        .ok_or_else(|| Error::new(format!("{path} has no Rss")))
}

/// Processes over a stretch of time: the servers measured, their Redis, and the generator itself.
#[derive(Debug)]
pub struct Meter {
    servers: Vec<u32>,
    redis: Option<u32>,
    began: Instant,
    at_start: Reading,
}

#[derive(Debug)]
struct Reading {
    servers: Duration,
    redis: Duration,
    own: Duration,
}

/// What a [`Meter`] saw.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// Wall time.
    pub wall: Duration,
    /// CPU of the servers together.
    pub servers: Duration,
    /// CPU of Redis; zero where there is none.
    pub redis: Duration,
    /// CPU of this process.
    pub own: Duration,
}

impl Meter {
    /// Starts measuring.
    pub fn start(servers: &[u32], redis: Option<u32>) -> Result<Meter, Error> {
        let servers = servers.to_vec();
        let at_start = Reading::take(&servers, redis)?;
        Ok(Meter { servers, redis, began: Instant::now(), at_start })
    }

    /// What was used since the start.
    pub fn stop(&self) -> Result<Usage, Error> {
        let wall = self.began.elapsed();
        let now = Reading::take(&self.servers, self.redis)?;
        Ok(Usage {
            wall,
            servers: now.servers.saturating_sub(self.at_start.servers),
            redis: now.redis.saturating_sub(self.at_start.redis),
            own: now.own.saturating_sub(self.at_start.own),
        })
    }
}

impl Reading {
    fn take(servers: &[u32], redis: Option<u32>) -> Result<Reading, Error> {
        Ok(Reading {
            servers: servers.iter().map(|pid| cpu(*pid)).sum::<Result<_, _>>()?,
            redis: redis.map_or(Ok(Duration::ZERO), cpu)?,
            own: cpu(std::process::id())?,
        })
    }
}

impl Usage {
    /// CPU of the servers per unit of work, in microseconds.
    pub fn micros_per(&self, units: u64) -> f64 {
        micros(self.servers) / units.max(1) as f64
    }

    /// CPU of Redis per unit of work, in microseconds.
    pub fn redis_micros_per(&self, units: u64) -> f64 {
        micros(self.redis) / units.max(1) as f64
    }

    /// Units of work per second.
    pub fn rate(&self, units: u64) -> f64 {
        units as f64 / self.wall.as_secs_f64().max(1e-9)
    }

    /// This process's share of one core, in percent. Near 100 the generator is what limits the figure.
    pub fn own_share(&self) -> f64 {
        100.0 * self.own.as_secs_f64() / self.wall.as_secs_f64().max(1e-9)
    }
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_cpu_advances_with_work_and_memory_is_read() {
        let me = std::process::id();
        let meter = Meter::start(&[me], None).unwrap();
        let until = Instant::now() + Duration::from_millis(30);
        while Instant::now() < until {
            std::hint::spin_loop();
        }
        let usage = meter.stop().unwrap();
        assert!(usage.own > Duration::from_millis(1), "{usage:?}");
        assert!(usage.own <= usage.wall * 64, "{usage:?}");
        assert!(resident(me).unwrap() > 100_000);
    }
}
