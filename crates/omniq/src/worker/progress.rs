//! Writes down how far the pool's tasks are, for others to see: the latest of each, in one call.

use std::sync::Arc;
use std::time::Duration;

use omniq_core::Result;
use omniq_core::storage::ProgressUpdate;
use tokio::time::sleep_until;

use super::shared::Shared;
use crate::clock;
use crate::context::Execution;
use crate::storage_retry::StorageRetry;

/// The time from one write to the next.
const PAUSE: Duration = Duration::from_millis(500);

/// Writes until the pool's last outcome is settled. Apart from the heartbeat, so that a slow write keeps
/// no lease waiting. There is no timer unless a handler told of progress.
pub(super) async fn progress_loop(pool: Arc<Shared>) {
    let mut retry = StorageRetry::new("writing down progress");
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

/// Writes what is pending; says whether there was any.
async fn write(pool: &Shared) -> Result<bool> {
    let _turn = pool.writing_progress.lock().await;
    let (executions, notes) = pool.held.take_updates();
    if notes.is_empty() {
        return Ok(false);
    }
    let written = pool
        .omniq()
        .storage()
        .record_progress(notes.clone(), pool.clock().now());
    match written.await {
        Ok(held) => {
            if held.contains(&false) {
                pool.check_leases.notify_one();
            }
            Ok(true)
        }
        Err(error) => {
            for (execution, note) in executions.iter().zip(notes) {
                execution.put_update_back(note);
            }
            Err(error)
        }
    }
}

/// What these tasks told last and nobody has written; what is being written is waited for, so that a later
/// settlement can't overtake it.
pub(super) async fn last_updates(
    pool: &Shared,
    executions: &[Arc<Execution>],
) -> Vec<ProgressUpdate> {
    let _turn = pool.writing_progress.lock().await;
    executions
        .iter()
        .filter_map(|one| one.take_update())
        .collect()
}

/// Writes what settled tasks told last. It is not tried again: their leases end with this very batch.
pub(super) async fn write_last(pool: &Shared, notes: Vec<ProgressUpdate>) {
    if notes.is_empty() {
        return;
    }
    let written = pool
        .omniq()
        .storage()
        .record_progress(notes, pool.clock().now());
    if let Err(error) = written.await {
        tracing::debug!(%error, "the last progress of some tasks is dropped");
    }
}
