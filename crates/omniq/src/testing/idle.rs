use std::time::Duration;

use omniq_core::storage::Stats;
use omniq_core::{Error, ErrorKind, Result};
use tokio_stream::StreamExt as _;

use crate::{AsyncOmniQ, StopSummary, WorkerBuilder};

/// Starts this pool, lets it run all that is due and all that comes of it, and stops it. What has a later eta
/// stays where it is, retries after a wait among it: move the [clock](super::ManualClock) and drain again.
///
/// Errors as from [`WorkerBuilder::start`] and [`until_idle`].
pub async fn drain(worker: WorkerBuilder, limit: Duration) -> Result<StopSummary> {
    let omniq = worker.omniq().clone();
    let pool = worker.start().await?;
    let idle = until_idle(&omniq, limit).await;
    let summary = pool.stop().await?;
    idle.map(|()| summary)
}

/// Waits until nothing runs, and nothing is due that a running pool of this queue takes; at most `limit`, which
/// is real time. Then it is an error of kind `WaitTimeout` that says what is left.
pub async fn until_idle(omniq: &AsyncOmniQ, limit: Duration) -> Result<()> {
    // Before the first look, so that nothing which happens after it is missed.
    let mut watch = omniq.storage().watch();
    let idle = async {
        loop {
            let stats = omniq.stats().await?;
            if left(&stats) == (0, 0) {
                return Ok(());
            }
            let safety = omniq.settings().poll_interval();
            // However the wait ends, the next look decides.
            let _ = tokio::time::timeout(safety, watch.next()).await;
        }
    };
    if let Ok(idle) = tokio::time::timeout(limit, idle).await {
        return idle;
    }
    let (running, due) = left(&omniq.stats().await?);
    let text =
        format!("the queue is not idle after {limit:?}: {running} tasks run and {due} are due");
    Err(Error::new(ErrorKind::WaitTimeout, text))
}

/// How many tasks run, and how many are due and will run.
fn left(stats: &Stats) -> (u64, u64) {
    let queues = stats.queues.values();
    let due: u64 = queues
        .clone()
        .map(|q| q.pending.saturating_sub(q.scheduled))
        .sum();
    let unhandled: u64 = stats.unhandled.values().sum();
    (
        queues.map(|q| q.running).sum(),
        due.saturating_sub(unhandled),
    )
}
