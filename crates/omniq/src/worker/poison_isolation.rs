//! Runs tasks that may have killed their owner one at a time in a process.
//!
//! A task is marked when its owner died while it ran. If the process dies again, only one marked task can be the
//! cause. The tasks that ran beside it and were not marked before are marked once.

use std::sync::Arc;
use std::time::Duration;

use omniq_core::Outcome;

use super::isolation::Isolation;
use super::report::{Report, Reports, release};
use super::shared::Shared;
use crate::context::Execution;

/// A marked task that could not start within this time is released, so that another process may run it.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Waits until a marked task may run, and then puts it at the head of the buffer. It does not occupy a
/// seat while it waits.
pub(super) async fn wait_for_isolation(
    pool: Arc<Shared>,
    execution: Arc<Execution>,
    reports: Reports,
) {
    let outcome = tokio::select! {
        isolation = Isolation::enter() => {
            pool.buffer.add_first(execution, isolation);
            pool.seat_or_room.notify_one();
            // A stopping pool may already have emptied its buffer.
            if pool.stopping.is_fired() {
                release(&pool, pool.buffer.take_all(), &reports).await;
            }
            return;
        }
        () = execution.stop.fired() => Outcome::LeaseLost,
        () = pool.stopping.fired() => Outcome::Released,
        () = tokio::time::sleep(LONGEST_WAIT) => Outcome::Released,
    };
    let report = Report {
        execution,
        outcome,
        isolation: None,
    };
    // An error means that the pool has ended, and the lease with it.
    let _ = reports.send(report).await;
}
