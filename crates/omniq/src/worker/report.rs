//! Reports outcomes from the seats, which run tasks, to the loop that settles them.

use std::sync::Arc;

use omniq_core::Outcome;
use tokio::sync::mpsc;

use super::buffer::Waiting;
use super::isolation::Isolation;
use super::shared::Shared;
use crate::context::Execution;

/// The channel for outcomes.
pub(super) type Reports = mpsc::Sender<Report>;

/// The outcome of an execution.
pub(super) struct Report {
    pub(super) execution: Arc<Execution>,
    pub(super) outcome: Outcome,
    /// Held until the outcome is written. Present for a marked task.
    pub(super) isolation: Option<Isolation>,
}

/// Releases tasks that could not start.
pub(super) async fn release(pool: &Shared, tasks: Vec<Waiting>, reports: &Reports) {
    if !tasks.is_empty() {
        let (count, concurrency) = (tasks.len(), pool.concurrency);
        tracing::debug!(count, concurrency, "releasing tasks that could not start");
    }
    for Waiting {
        execution,
        isolation,
        ..
    } in tasks
    {
        let report = Report {
            execution,
            outcome: Outcome::Released,
            isolation,
        };
        if reports.send(report).await.is_err() {
            return;
        }
    }
}
