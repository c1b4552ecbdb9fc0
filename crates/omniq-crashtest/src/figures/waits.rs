use std::path::Path;
use std::time::Duration;

use omniq::{AsyncOmniQ, call};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::idle::cpu;
use crate::{Outcome, Scene, worker};

const WAITS: usize = 10_000;
const ROUNDS: usize = 200;
const LIMIT: Duration = Duration::from_secs(600);

/// One task at a time is finished by another process, while this one waits for many more.
pub(super) async fn print(program: &Path) -> Outcome<()> {
    let mut scene = Scene::new(program)?;
    let omniq = scene.open().await?;
    let worker = scene.ready_worker().await?;
    rounds(&omniq, "nothing else is waited for").await?;
    let later = (0..WAITS).map(|_| call(worker::NOTE).arg(0).delay(LIMIT));
    let mut waits = JoinSet::new();
    for handle in omniq.enqueue_many(later).await? {
        waits.spawn(async move { handle.wait(LIMIT).await });
    }
    rounds(&omniq, &format!("{WAITS} others are waited for")).await?;
    waits.shutdown().await;
    worker.stop()
}

async fn rounds(omniq: &AsyncOmniQ, what: &str) -> Outcome<()> {
    // The waits that were spawned are asked for first.
    for _ in 0..ROUNDS / 10 {
        round(omniq).await?;
    }
    let (before, start) = (cpu(std::process::id())?, Instant::now());
    let mut spans = Vec::new();
    for _ in 0..ROUNDS {
        let start = Instant::now();
        round(omniq).await?;
        spans.push(i64::try_from(start.elapsed().as_micros())?);
    }
    let used = cpu(std::process::id())?.saturating_sub(before);
    super::row(
        &format!("enqueue → finished elsewhere → its handle knows, while {what}"),
        spans,
    );
    println!(
        "… CPU of the process that waits: {:.2} ms a round, {:.0}% of a core",
        used.as_secs_f64() * 1_000.0 / ROUNDS as f64,
        used.as_secs_f64() * 100.0 / start.elapsed().as_secs_f64()
    );
    Ok(())
}

async fn round(omniq: &AsyncOmniQ) -> Outcome<()> {
    let handle = omniq.enqueue(call(worker::NOTE).arg(0)).await?;
    handle.wait(LIMIT).await?;
    Ok(())
}
