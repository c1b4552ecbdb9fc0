//! Stores the progress of the pool's tasks: the latest of each task, in one call for all of them.

use std::sync::Arc;
use std::time::Duration;

use omniq_core::Result;
use omniq_core::storage::ProgressUpdate;
use tokio::time::sleep_until;

use super::shared::Shared;
use crate::clock;
use crate::context::Execution;
use crate::storage_retry::StorageRetry;

/// The shortest time between two writes.
const PAUSE: Duration = Duration::from_millis(500);

/// Stores progress until the pool's last outcome is settled. It is separate from the heartbeat, so that a slow write does
/// not delay renewals. No timer runs while there is no progress to store.
pub(super) async fn progress_loop(pool: Arc<Shared>) {
    let mut retry = StorageRetry::new("storing progress");
    let mut not_before = clock::instant();
    loop {
        let pending = async {
            pool.environment.progressed.notified().await;
            sleep_until(not_before).await;
        };
        tokio::select! {
            () = pool.settled.fired() => return,
            () = pending => {}
        }
        let wait = match write(&pool).await {
            Ok(false) => continue,
            Ok(true) => {
                retry.succeeded();
                PAUSE
            }
            Err(error) => {
                pool.environment.progressed.notify_one();
                retry.failed(&error).max(PAUSE)
            }
        };
        not_before = clock::instant() + wait;
    }
}

/// Stores the pending progress. Returns `false` if there was none.
async fn write(pool: &Shared) -> Result<bool> {
    let _guard = pool.writing_progress.lock().await;
    let (executions, updates) = pool.held.take_updates();
    if updates.is_empty() {
        return Ok(false);
    }
    let written = pool
        .omniq()
        .storage()
        .record_progress(updates.clone(), pool.clock().now());
    match written.await {
        Ok(held) => {
            if held.contains(&false) {
                pool.check_leases.notify_one();
            }
            Ok(true)
        }
        Err(error) => {
            for (execution, update) in executions.iter().zip(updates) {
                execution.put_update_back(update);
            }
            Err(error)
        }
    }
}

/// Takes the last progress of these tasks that is not stored yet. Waits first for a write in progress, so that no later
/// settlement can overtake it.
pub(super) async fn last_updates(
    pool: &Shared,
    executions: &[Arc<Execution>],
) -> Vec<ProgressUpdate> {
    let _guard = pool.writing_progress.lock().await;
    executions
        .iter()
        .filter_map(|execution| execution.take_update())
        .collect()
}

/// Stores the last progress of tasks that are being settled. The write is not repeated, because the leases of these tasks
/// end with the same batch.
pub(super) async fn write_last(pool: &Shared, updates: Vec<ProgressUpdate>) {
    if updates.is_empty() {
        return;
    }
    let written = pool
        .omniq()
        .storage()
        .record_progress(updates, pool.clock().now());
    if let Err(error) = written.await {
        tracing::debug!(error = %error.chain(), "the last progress of some tasks was not stored");
    }
}
