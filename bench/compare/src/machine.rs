//! Describes the machine, and measures its disk latency and the CPU time that other guests take.

use std::fs;
use std::io::{Seek as _, Write as _};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bench_harness::{Result, quantile_us};
use serde::{Deserialize, Serialize};

/// The number of flushes that are timed.
const FLUSHES: usize = 100;
const PAUSE: Duration = Duration::from_millis(1);
const PAGE: usize = 4_096;

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Machine {
    pub cpu: String,
    pub cores: usize,
    pub memory_gib: u64,
    pub kernel: String,
    pub file_system: String,
    pub rustc: String,
}

impl Machine {
    pub fn inspect(dir: &Path) -> Self {
        let cpu = field("/proc/cpuinfo", "model name");
        let memory = field("/proc/meminfo", "MemTotal").unwrap_or_default();
        let kib: u64 = memory.trim_end_matches(" kB").parse().unwrap_or_default();
        Self {
            cpu: cpu.unwrap_or_else(|| "unknown".to_owned()),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_gib: kib.div_ceil(1 << 20),
            kernel: first_line("uname", &["-sr"]),
            file_system: first_line("stat", &["-f", "-c", "%T", &dir.display().to_string()]),
            rustc: first_line("rustc", &["--version"]),
        }
    }
}

fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn first_line(program: &str, args: &[&str]) -> String {
    let out = Command::new(program).args(args).output();
    let text = out.map(|out| String::from_utf8_lossy(&out.stdout).into_owned());
    let text = text.unwrap_or_default();
    text.lines().next().unwrap_or("unknown").to_owned()
}

/// Returns the median time of a write of 4 KiB and its `fdatasync` in this folder, in microseconds. The file has its
/// full size already, like a WAL that is reused. A pause before each write makes disk and CPU as idle as with an idle
/// pool.
pub fn flush_us(dir: &Path) -> Result<f64> {
    let path = dir.join("bench-flush");
    let mut file = fs::File::create(&path)?;
    let page = [0x5a; PAGE];
    file.write_all(&page.repeat(FLUSHES))?;
    file.sync_all()?;
    file.rewind()?;
    let mut nanos = Vec::with_capacity(FLUSHES);
    for _ in 0..FLUSHES {
        std::thread::sleep(PAUSE);
        let started = Instant::now();
        file.write_all(&page)?;
        file.sync_data()?;
        nanos.push(started.elapsed().as_nanos() as u64);
    }
    fs::remove_file(&path)?;
    nanos.sort_unstable();
    Ok(quantile_us(&nanos, 0.5).unwrap_or_default())
}

/// The CPU time since boot, in ticks: the total, and the part that other guests of the host took.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ticks {
    total: u64,
    stolen: u64,
}

impl Ticks {
    pub fn now() -> Self {
        let text = fs::read_to_string("/proc/stat").unwrap_or_default();
        let line = text.lines().next().unwrap_or_default();
        let ticks: Vec<u64> = line
            .split(' ')
            .filter_map(|word| word.parse().ok())
            .collect();
        // The fields are: user nice system idle iowait irq softirq steal. The time of guests is part of user.
        Self {
            total: ticks.iter().take(8).sum(),
            stolen: ticks.get(7).copied().unwrap_or_default(),
        }
    }

    /// Returns the share of CPU time that was stolen since `before`, in percent.
    pub fn stolen_since(self, before: Self) -> f64 {
        let total = self.total.saturating_sub(before.total).max(1);
        let stolen = self.stolen.saturating_sub(before.stolen);
        100.0 * stolen as f64 / total as f64
    }
}

/// Returns the seconds since 1970.
pub fn unix_seconds() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| now.as_secs())
}
