//! Renews the pool's leases, and asks handlers to stop whose lease is lost or whose task was cancelled.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use omniq_core::Result;
use omniq_core::storage::{Hold, Lease, Signal, Watch};
use tokio::time::sleep_until;
use tokio_stream::StreamExt as _;

use super::shared::Shared;
use crate::clock;
use crate::storage_retry::StorageRetry;

/// Renews leases until the pool's last outcome is settled. The subscription `watch` was made before the pool's first
/// claim, so that no cancellation of a claimed task is missed.
pub(super) async fn heartbeat_loop(pool: Arc<Shared>, mut watch: Watch) {
    let lease_for = pool.settings().lease();
    let mut retry = StorageRetry::new("renewing leases");
    let mut next_renewal = clock::instant() + lease_for / 3;
    loop {
        tokio::select! {
            () = pool.settled.fired() => return,
            () = sleep_until(next_renewal) => {
                let wait = match renew(&pool, lease_for).await {
                    Ok(renewed) => {
                        if renewed {
                            retry.succeeded();
                        }
                        lease_for / 3
                    }
                    Err(error) => retry.failed(&error).min(lease_for / 3),
                };
                next_renewal = clock::instant() + wait;
            }
            () = pool.check_leases.notified() => check_all(&pool, &mut retry).await,
            signal = watch.next() => handle_signal(&pool, &mut watch, signal, &mut retry).await,
        }
    }
}

/// Renews all leases of the pool. Returns `false` if there are none.
async fn renew(pool: &Shared, lease_for: Duration) -> Result<bool> {
    let leases = pool.held.leases();
    if leases.is_empty() {
        return Ok(false);
    }
    let answers = pool
        .omniq()
        .storage()
        .renew(leases.clone(), lease_for)
        .await?;
    stop_not_held(pool, leases, answers);
    Ok(true)
}

/// Asks the handlers of lost leases and cancelled tasks to stop.
fn stop_not_held(pool: &Shared, leases: Vec<Lease>, answers: Vec<Hold>) {
    let pairs = leases.into_iter().zip(answers);
    let not_held: HashSet<Lease> = pairs
        .filter(|(_, hold)| *hold != Hold::Held)
        .map(|(lease, _)| lease)
        .collect();
    if !not_held.is_empty() {
        pool.held.stop(|lease| not_held.contains(&lease));
    }
}

async fn handle_signal(
    pool: &Shared,
    watch: &mut Watch,
    signal: Option<Signal>,
    retry: &mut StorageRetry,
) {
    match signal {
        Some(Signal::Cancelled(ids)) => {
            let leases = pool.held.record_cancelled(&ids);
            check(pool, leases, retry).await;
        }
        Some(Signal::OwnerExited) => pool.owner_exited.notify_one(),
        Some(Signal::Unknown) => check_all(pool, retry).await,
        Some(_) => {}
        None => {
            // No lease is renewed during this wait, so it must be shorter than a lease.
            let settings = pool.settings();
            tokio::time::sleep(settings.poll_interval().min(settings.lease() / 3)).await;
            *watch = pool.omniq().storage().watch();
            check_all(pool, retry).await;
        }
    }
}

/// Checks all leases of the pool.
async fn check_all(pool: &Shared, retry: &mut StorageRetry) {
    let leases = pool.held.leases_after_unknown();
    check(pool, leases, retry).await;
}

/// Asks the storage which of these leases are still held, and asks the handlers of the others to stop.
async fn check(pool: &Shared, leases: Vec<Lease>, retry: &mut StorageRetry) {
    if leases.is_empty() {
        return;
    }
    match pool.omniq().storage().held(leases.clone()).await {
        Ok(answers) => stop_not_held(pool, leases, answers),
        // The next renewal returns the same answers.
        Err(error) => {
            retry.failed(&error);
        }
    }
}
