use std::time::Duration;

use omniq_core::storage::Stats;
use omniq_core::{Error, ErrorKind, Result};
use tokio_stream::StreamExt as _;

use crate::{AsyncOmniQ, StopSummary, WorkerBuilder};

/// Starts a pool, waits until all due tasks and the due tasks that they enqueue have run, and stops it.
///
/// Tasks with a later eta stay pending, and so do retries that wait: advance the [clock](super::ManualClock) and drain
/// again. Fails like [`WorkerBuilder::start`] and [`until_idle`].
pub async fn drain(worker: WorkerBuilder, limit: Duration) -> Result<StopSummary> {
    let omniq = worker.omniq().clone();
    let pool = worker.start().await?;
    let idle = until_idle(&omniq, limit).await;
    let summary = pool.stop().await?;
    idle.map(|()| summary)
}

/// Waits until no task runs, and no due task is left that a running pool of this queue handles.
///
/// Fails with kind `WaitTimeout` after `limit`, which is real time; the error says how many tasks are left.
pub async fn until_idle(omniq: &AsyncOmniQ, limit: Duration) -> Result<()> {
    // The subscription comes before the first check, so that no later change is missed.
    let mut watch = omniq.storage().watch();
    let idle = async {
        loop {
            let stats = omniq.stats().await?;
            if tasks_left(&stats) == (0, 0) {
                return Ok(());
            }
            let poll_interval = omniq.settings().poll_interval();
            // However the wait ends, the next check decides.
            let _ = tokio::time::timeout(poll_interval, watch.next()).await;
        }
    };
    if let Ok(idle) = tokio::time::timeout(limit, idle).await {
        return idle;
    }
    let (running, due) = tasks_left(&omniq.stats().await?);
    let text =
        format!("the queue is not idle after {limit:?}: {running} tasks run and {due} are due");
    Err(Error::new(ErrorKind::WaitTimeout, text))
}

/// Returns how many tasks run, and how many are due and have a handler.
fn tasks_left(stats: &Stats) -> (u64, u64) {
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
