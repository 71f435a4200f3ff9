//! The machine that the figures are of.

use std::fs;

use serde_json::{Value, json};

/// What has to be said beside a figure.
#[derive(Debug, Clone)]
pub struct Machine {
    /// Name of the processor.
    pub cpu: String,
    /// Cores that the run may use.
    pub cores: usize,
    /// Memory in GiB.
    pub memory_gib: f64,
    /// Release of the kernel.
    pub kernel: String,
    /// Whether it is a virtual one.
    pub is_virtual: bool,
    /// Runnable processes over the last minute, before the run: other work disturbs the figures.
    pub load: f64,
}

impl Machine {
    /// Looks it up.
    pub fn read() -> Machine {
        let text = |path| fs::read_to_string(path).unwrap_or_default();
        let (cpuinfo, meminfo) = (text("/proc/cpuinfo"), text("/proc/meminfo"));
        let field = |name: &str| {
            let line = cpuinfo.lines().find(|line| line.starts_with(name))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        let kib: f64 = meminfo
            .lines()
            .find_map(|line| {
                line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?.parse().ok()
            })
            .unwrap_or_default();
        // Release names may carry a suffix of who built them, which is nobody's business.
        let release = text("/proc/sys/kernel/osrelease");
        let load = text("/proc/loadavg");
        Machine {
            cpu: field("model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_gib: kib / f64::from(1 << 20),
            kernel: release.trim().split('-').next().unwrap_or_default().to_owned(),
            is_virtual: field("flags").is_some_and(|flags| flags.contains(" hypervisor")),
            load: load.split(' ').next().and_then(|text| text.parse().ok()).unwrap_or_default(),
        }
    }

    /// One line for a table's foot.
    pub fn line(&self) -> String {
        format!(
            "{}, {} {}cores, {:.0} GiB, Linux {}, over loopback; load before the run {:.1}",
            self.cpu,
            self.cores,
            if self.is_virtual { "virtual " } else { "" },
            self.memory_gib,
            self.kernel,
            self.load,
        )
    }

    /// The same for programs.
    pub fn json(&self) -> Value {
        json!({
            "cpu": self.cpu, "cores": self.cores, "virtual": self.is_virtual,
            "memory_gib": (self.memory_gib * 10.0).round() / 10.0, "kernel": self.kernel, "load_before": self.load,
        })
    }
}
