//! Renews the pool's leases, and tells handlers whose task is no longer theirs to stop.

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

/// Beats until the pool's last outcome is settled. The watch is older than the pool's first claim, so that
/// no cancel of what it claims is missed.
pub(super) async fn heartbeat_loop(pool: Arc<Shared>, mut watch: Watch) {
    let lease_for = pool.settings().lease();
    let mut retry = StorageRetry::new("renewing leases");
    let mut next_beat = clock::instant() + lease_for / 3;
    loop {
        tokio::select! {
            () = pool.settled.fired() => return,
            () = sleep_until(next_beat) => {
                let wait = match renew(&pool, lease_for).await {
                    Ok(any) => {
                        if any {
                            retry.succeeded();
                        }
                        lease_for / 3
                    }
                    Err(error) => retry.failed(&error).min(lease_for / 3),
                };
                next_beat = clock::instant() + wait;
            }
            () = pool.check_leases.notified() => check_all(&pool, &mut retry).await,
            signal = watch.next() => handle_signal(&pool, &mut watch, signal, &mut retry).await,
        }
    }
}

/// Says whether there was any.
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
    stop_others(pool, leases, answers);
    Ok(true)
}

/// Stops the handlers of all leases that are not simply held.
fn stop_others(pool: &Shared, leases: Vec<Lease>, answers: Vec<Hold>) {
    let pairs = leases.into_iter().zip(answers);
    let others: HashSet<Lease> = pairs
        .filter(|(_, hold)| *hold != Hold::Held)
        .map(|(lease, _)| lease)
        .collect();
    if !others.is_empty() {
        pool.held.stop(|lease| others.contains(&lease));
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
            // Meanwhile no lease is renewed.
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

/// Asks the storage which of these leases are still held, and stops the handlers of the others.
async fn check(pool: &Shared, leases: Vec<Lease>, retry: &mut StorageRetry) {
    if leases.is_empty() {
        return;
    }
    match pool.omniq().storage().held(leases.clone()).await {
        Ok(answers) => stop_others(pool, leases, answers),
        // The next renewal asks again.
        Err(error) => {
            retry.failed(&error);
        }
    }
}
