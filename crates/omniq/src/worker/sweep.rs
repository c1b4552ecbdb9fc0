//! Settles what dead or silent owners left, and forgets what is old.

use std::sync::Arc;
use std::time::Duration;

use omniq_core::storage::{Orphan, PurgeRequest, Settled};
use omniq_core::{Result, TaskStatus, settle};

use super::shared::Shared;
use crate::clock;
use crate::events::EventKind;
use crate::storage_retry::StorageRetry;

/// How soon a death is noticed that a storage could see, but was not told of.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
const PURGE_EVERY: Duration = Duration::from_secs(60);
/// How many orphans are settled at once.
const BATCH: usize = 100;

/// Sweeps until the pool stops.
pub(super) async fn sweep_loop(pool: Arc<Shared>) {
    let pause = (pool.settings().lease() / 4).min(LONGEST_PAUSE);
    let mut taking_over = StorageRetry::new("looking for lost tasks");
    let mut purging = StorageRetry::new("purging old tasks");
    let mut next_purge = Duration::ZERO;
    loop {
        let mut wait = match take_over_all(&pool).await {
            Ok(()) => {
                taking_over.succeeded();
                pause
            }
            Err(error) => taking_over.failed(&error),
        };
        if pool.clock().read().passed >= next_purge {
            next_purge = pool.clock().after(PURGE_EVERY);
            match purge(&pool).await {
                Ok(()) => purging.succeeded(),
                Err(error) => wait = wait.max(purging.failed(&error)),
            }
        }
        tokio::select! {
            () = pool.stopping.fired() => return,
            () = pool.owner_exited.notified() => {}
            () = tokio::time::sleep(wait) => {}
            () = pool.clock().until(next_purge) => {}
        }
    }
}

async fn take_over_all(pool: &Shared) -> Result<()> {
    loop {
        // What this pool holds is looked after, even if its heartbeat was late: it must not hide others.
        let limit = BATCH + pool.held.leases().len();
        let orphans = pool
            .omniq()
            .storage()
            .orphans(clock::monotonic(), limit)
            .await?;
        let found = orphans.len();
        let lost = orphans
            .into_iter()
            .filter(|one| !pool.held.has(one.task.lease()))
            .collect();
        let settled = take_over(pool, lost).await?;
        if found < limit || settled == 0 || pool.stopping.is_fired() {
            return Ok(());
        }
    }
}

/// Says how many were settled.
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
                tracing::error!(task = %orphan.task.id, %error, "a lost task can't be taken over");
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

async fn purge(pool: &Shared) -> Result<()> {
    let settings = pool.settings();
    let kinds: [(&[TaskStatus], Duration); 2] = [
        (
            &[TaskStatus::Success, TaskStatus::Cancelled],
            settings.result_ttl(),
        ),
        (&[TaskStatus::Failed], settings.failed_ttl()),
    ];
    for (statuses, kept_for) in kinds {
        let request = PurgeRequest::new(statuses.iter().copied(), kept_for, pool.clock().now());
        let gone = pool.omniq().queue().purge(request).await?;
        if gone > 0 {
            tracing::debug!(gone, "purged old tasks");
        }
    }
    Ok(())
}
