//! Runs tasks that may have killed their owner one at a time in a process.
//!
//! A task is marked when its owner died while it ran. If the process dies again, only the one marked task that
//! was running is suspect, and its neighbours that were not marked before are marked once.

use std::sync::Arc;
use std::time::Duration;

use omniq_core::Outcome;

use super::isolation::Isolation;
use super::report::{Report, Reports, release};
use super::shared::Shared;
use crate::context::Execution;

/// A marked task that could not start within this time is released, so that another process may run it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Waits until a marked task may run, and then puts it at the head of the buffer. It waits beside the seats, so
/// that it keeps none from other tasks.
pub(super) async fn wait_for_isolation(
    pool: Arc<Shared>,
    execution: Arc<Execution>,
    reports: Reports,
) {
    let outcome = tokio::select! {
        isolation = Isolation::enter() => {
            pool.buffer.add_first(execution, isolation);
            pool.seat_or_room.notify_one();
            // The stopping pool may have emptied its buffer just before.
            if pool.stopping.is_fired() {
                release(&pool, pool.buffer.take_all(), &reports).await;
            }
            return;
        }
        () = execution.stop.fired() => Outcome::LeaseLost,
        () = pool.stopping.fired() => Outcome::Released,
        () = tokio::time::sleep(PATIENCE) => Outcome::Released,
    };
    let report = Report {
        execution,
        outcome,
        isolation: None,
    };
    // An error means that the pool has ended, and the lease with it.
    let _ = reports.send(report).await;
}
