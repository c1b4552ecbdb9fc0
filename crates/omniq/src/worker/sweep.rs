//! Takes over tasks whose owner is dead or whose lease has expired, and deletes old tasks.

use std::sync::Arc;
use std::time::Duration;

use omniq_core::storage::{Orphan, PurgeRequest, Settled};
use omniq_core::{Result, TaskStatus, settle};

use super::shared::Shared;
use crate::clock;
use crate::events::EventKind;
use crate::storage_retry::StorageRetry;

/// The longest time between two sweeps. A dead owner is found this late if the storage got no signal of its death.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
const PURGE_EVERY: Duration = Duration::from_secs(60);
/// The most orphans that are settled in one call, apart from those of this pool.
const BATCH: usize = 100;

/// Sweeps until the pool stops.
pub(super) async fn sweep_loop(pool: Arc<Shared>) {
    let pause = (pool.settings().lease() / 4).min(LONGEST_PAUSE);
    let mut taking_over = StorageRetry::new("searching for lost tasks");
    let mut purging = StorageRetry::new("purging old tasks");
    let mut next_purge = Duration::ZERO;
    loop {
        let wait = match take_over_all(&pool).await {
            Ok(()) => {
                taking_over.succeeded();
                pause
            }
            Err(error) => taking_over.failed(&error),
        };
        if pool.clock().read().passed >= next_purge {
            // A failed purge is tried again soon, without delaying the takeovers.
            let pause = match purge(&pool).await {
                Ok(()) => {
                    purging.succeeded();
                    PURGE_EVERY
                }
                Err(error) => purging.failed(&error),
            };
            next_purge = pool.clock().after(pause);
        }
        tokio::select! {
            () = pool.stopping.fired() => return,
            () = pool.owner_exited.notified() => {}
            () = tokio::time::sleep(wait) => {}
            () = pool.clock().until(next_purge) => {}
        }
    }
}

/// Takes over all orphans that the storage finds.
async fn take_over_all(pool: &Shared) -> Result<()> {
    loop {
        // The tasks of this pool are not lost, even if its heartbeat was late. The limit includes them, so that they
        // can't displace others.
        let limit = BATCH + pool.held.leases().len();
        let orphans = pool
            .omniq()
            .storage()
            .orphans(clock::monotonic(), limit)
            .await?;
        let found = orphans.len();
        let lost = orphans
            .into_iter()
            .filter(|orphan| !pool.held.has(orphan.task.lease()))
            .collect();
        let settled = take_over(pool, lost).await?;
        if found < limit || settled == 0 || pool.stopping.is_fired() {
            return Ok(());
        }
    }
}

/// Settles these orphans. Returns how many changes were applied.
async fn take_over(pool: &Shared, mut orphans: Vec<Orphan>) -> Result<usize> {
    if orphans.is_empty() {
        return Ok(0);
    }
    let max_crashes = pool.settings().max_crashes();
    let now = pool.clock().now();
    let mut changes = Vec::with_capacity(orphans.len());
    orphans.retain(
        |orphan| match settle::take_over(orphan, max_crashes, now, fastrand::f64()) {
            Ok(change) => {
                changes.push(change);
                true
            }
            Err(error) => {
                tracing::error!(task = %orphan.task.id, error = %error.chain(), "a lost task can't be taken over");
                false
            }
        },
    );
    let answers = pool.omniq().storage().settle(changes, now).await?;
    let settled = answers.iter().filter(|a| **a == Settled::Applied).count();
    for (Orphan { task, reason, .. }, answer) in orphans.iter().zip(answers) {
        if answer == Settled::Applied && task.status == TaskStatus::Running {
            tracing::warn!(task = %task.id, name = task.name, %reason, "took over a lost task");
            pool.omniq()
                .queue()
                .events()
                .notify_of(task, EventKind::TakenOver);
        }
    }
    Ok(settled)
}

/// Deletes finished tasks whose retention has expired.
async fn purge(pool: &Shared) -> Result<()> {
    let settings = pool.settings();
    let retentions: [(&[TaskStatus], Duration); 2] = [
        (
            &[TaskStatus::Success, TaskStatus::Cancelled],
            settings.result_ttl(),
        ),
        (&[TaskStatus::Failed], settings.failed_ttl()),
    ];
    for (statuses, retention) in retentions {
        let request = PurgeRequest::new(statuses.iter().copied(), retention, pool.clock().now());
        let deleted = pool.omniq().queue().purge(request).await?;
        if deleted > 0 {
            tracing::debug!(deleted, "purged old tasks");
        }
    }
    Ok(())
}
