//! Records the outcomes of executions: decides, writes, notifies listeners, and releases tasks that were cancelled.
//!
//! A pool records many outcomes in one write, which it repeats until the storage answers. A claim of
//! [`AsyncTaskQueue`] records one outcome, and does not repeat the write. Both use [`record`].

use std::future::Future;

use omniq_core::storage::Settled;
use omniq_core::{Change, Outcome, Result, Task, TaskStatus, settle};

use crate::AsyncTaskQueue;
use crate::events::EventKind;

/// The outcome of one execution, decided as the change that records it.
pub(crate) struct Settlement<'a> {
    task: &'a Task,
    change: Change,
}

/// How the storage answered the write of an outcome.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Recorded {
    /// The outcome was written.
    Written,
    /// The handler had already completed the task in a transaction of its own. A success is final.
    SucceededBefore,
    /// The lease was no longer valid: nothing was written, except that a cancelled task was released.
    Refused(Settled),
}

/// Writes changes to the storage, once or until it answers.
pub(crate) trait WriteChanges {
    /// Writes these changes. The answers are in the order of the changes.
    fn write(&mut self, changes: Vec<Change>) -> impl Future<Output = Result<Answers>> + Send;
}

/// What the storage answered.
pub(crate) struct Answers {
    pub(crate) settled: Vec<Settled>,
    /// The write was tried more than once, so an earlier try may have been applied without an answer.
    pub(crate) repeated: bool,
}

impl<'a> Settlement<'a> {
    /// Decides which change records the outcome.
    pub(crate) fn decide(queue: &AsyncTaskQueue, task: &'a Task, outcome: Outcome) -> Result<Self> {
        let change = settle::settle(task, outcome, queue.clock().now(), fastrand::f64())?;
        Ok(Self { task, change })
    }

    pub(crate) fn task(&self) -> &'a Task {
        self.task
    }

    pub(crate) fn change(&self) -> &Change {
        &self.change
    }

    /// Returns whether the change records a success.
    pub(crate) fn is_success(&self) -> bool {
        self.change.status == TaskStatus::Success
    }

    fn recorded(&self, answer: Settled, repeated: bool) -> Recorded {
        if answer == Settled::Applied || (repeated && is_result_of(&self.change, answer)) {
            Recorded::Written
        } else if answer.is_success_under(self.change.lease) {
            Recorded::SucceededBefore
        } else {
            Recorded::Refused(answer)
        }
    }

    fn event(&self, recorded: &Recorded) -> Option<EventKind> {
        match recorded {
            Recorded::Written => EventKind::of(&self.change),
            Recorded::SucceededBefore => Some(EventKind::Succeeded),
            Recorded::Refused(_) => None,
        }
    }
}

/// Records outcomes in one write. A task that was cancelled meanwhile is held until it is released, which a second
/// write does.
pub(crate) async fn record(
    queue: &AsyncTaskQueue,
    writer: &mut impl WriteChanges,
    settlements: &[Settlement<'_>],
) -> Result<Vec<Recorded>> {
    let changes = settlements.iter().map(|one| one.change.clone()).collect();
    let Answers { settled, repeated } = writer.write(changes).await?;
    let mut all_recorded = Vec::with_capacity(settlements.len());
    let mut releases = Vec::new();
    for (settlement, answer) in settlements.iter().zip(settled) {
        let task = settlement.task;
        if answer.is_cancelled_under(task.lease) {
            releases.push(Change::release_cancelled(task));
        }
        let recorded = settlement.recorded(answer, repeated);
        if let Some(kind) = settlement.event(&recorded) {
            queue.events().notify_of(task, kind);
        }
        all_recorded.push(recorded);
    }
    if !releases.is_empty() {
        writer.write(releases).await?;
    }
    Ok(all_recorded)
}

/// Returns whether the task is as this change would have left it. After a repeated write, this means that an earlier
/// try was applied.
fn is_result_of(change: &Change, answer: Settled) -> bool {
    matches!(
        answer,
        Settled::Stale { status, lease } if status == change.status && lease == change.lease
    )
}
