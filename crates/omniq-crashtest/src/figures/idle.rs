//! Measures the CPU time of an idle worker pool.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use crate::{Harness, HarnessResult};

const DURATION: Duration = Duration::from_secs(20);

/// Prints the CPU time that a worker process without tasks uses.
pub(super) async fn print(program: &Path) -> HarnessResult<()> {
    let mut harness = Harness::new(program)?;
    let worker = harness.start_ready_worker().await?;
    let before = cpu_time(worker.id())?;
    tokio::time::sleep(DURATION).await;
    let used = cpu_time(worker.id())?.saturating_sub(before);
    let ms_per_minute = used.as_secs_f64() * 60.0 / DURATION.as_secs_f64() * 1_000.0;
    println!("CPU of an idle pool: {ms_per_minute:.1} ms per minute (measured over {DURATION:?})");
    worker.stop()
}

/// Returns the CPU time that all threads of a process have used so far. Linux counts it in nanoseconds.
pub(super) fn cpu_time(process: u32) -> io::Result<Duration> {
    let mut total = Duration::ZERO;
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        let text = fs::read_to_string(thread?.path().join("schedstat"))?;
        let used = text.split(' ').next().and_then(|text| text.parse().ok());
        total += Duration::from_nanos(used.unwrap_or_default());
    }
    Ok(total)
}
