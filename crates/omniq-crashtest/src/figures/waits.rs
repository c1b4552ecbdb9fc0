//! Measures what one finished task costs a process that waits for many other tasks.

use std::path::Path;
use std::time::Duration;

use omniq::{AsyncOmniQ, call};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::idle::cpu_time;
use crate::{Harness, HarnessResult, worker};

const WAITS: usize = 10_000;
const ROUNDS: usize = 200;
const LIMIT: Duration = Duration::from_secs(600);

/// Lets another process finish one task at a time, first without and then with many other waits in this process.
pub(super) async fn print(program: &Path) -> HarnessResult<()> {
    let mut harness = Harness::new(program)?;
    let omniq = harness.open().await?;
    let worker = harness.start_ready_worker().await?;
    measure_rounds(&omniq, "there are no other waits").await?;
    let later = (0..WAITS).map(|_| call(worker::WORK).arg(0).delay(LIMIT));
    let mut waits = JoinSet::new();
    for handle in omniq.enqueue_many(later).await? {
        waits.spawn(async move { handle.wait(LIMIT).await });
    }
    measure_rounds(&omniq, &format!("{WAITS} other tasks are waited for")).await?;
    waits.shutdown().await;
    worker.stop()
}

async fn measure_rounds(omniq: &AsyncOmniQ, condition: &str) -> HarnessResult<()> {
    // Warm-up: the spawned waits register first.
    for _ in 0..ROUNDS / 10 {
        enqueue_and_wait(omniq).await?;
    }
    let (before, start) = (cpu_time(std::process::id())?, Instant::now());
    let mut micros = Vec::new();
    for _ in 0..ROUNDS {
        let start = Instant::now();
        enqueue_and_wait(omniq).await?;
        micros.push(i64::try_from(start.elapsed().as_micros())?);
    }
    let used = cpu_time(std::process::id())?.saturating_sub(before);
    super::row::print_row(
        &format!("enqueue → finished elsewhere → its handle is notified, while {condition}"),
        micros,
    );
    println!(
        "… CPU of the waiting process: {:.2} ms per round, {:.0}% of a core",
        used.as_secs_f64() * 1_000.0 / ROUNDS as f64,
        used.as_secs_f64() * 100.0 / start.elapsed().as_secs_f64()
    );
    Ok(())
}

async fn enqueue_and_wait(omniq: &AsyncOmniQ) -> HarnessResult<()> {
    let handle = omniq.enqueue(call(worker::WORK).arg(0)).await?;
    handle.wait(LIMIT).await?;
    Ok(())
}
