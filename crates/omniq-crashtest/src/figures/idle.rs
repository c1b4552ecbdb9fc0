use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use crate::{Outcome, Scene};

const SPAN: Duration = Duration::from_secs(20);

/// A pool that has nothing to do.
pub(super) async fn print(program: &Path) -> Outcome<()> {
    let mut scene = Scene::new(program)?;
    let worker = scene.ready_worker().await?;
    let before = cpu(worker.id())?;
    tokio::time::sleep(SPAN).await;
    let used = cpu(worker.id())?.saturating_sub(before);
    let a_minute = used.as_secs_f64() * 60.0 / SPAN.as_secs_f64() * 1_000.0;
    println!("CPU of an idle pool: {a_minute:.1} ms a minute (measured over {SPAN:?})");
    worker.stop()
}

/// What its threads used so far: Linux counts it in nanoseconds.
pub(super) fn cpu(process: u32) -> io::Result<Duration> {
    let mut total = Duration::ZERO;
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        let text = fs::read_to_string(thread?.path().join("schedstat"))?;
        let used = text.split(' ').next().and_then(|text| text.parse().ok());
        total += Duration::from_nanos(used.unwrap_or_default());
    }
    Ok(total)
}
