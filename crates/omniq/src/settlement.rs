//! Records the outcomes of executions: decides, writes, notifies listeners, and releases tasks that were cancelled.
//!
//! A pool records many outcomes in one write, which it repeats until the storage answers. A claim of
//! [`AsyncTaskQueue`] records one outcome, and does not repeat the write. Both use [`record`].

use std::future::Future;

use omniq_core::storage::Settled;
use omniq_core::{Change, Outcome, Result, Task, settle};

use crate::AsyncTaskQueue;
use crate::events::EventKind;

/// Outcomes of executions, decided as the changes that record them.
#[derive(Default)]
pub(crate) struct Settlements<'a> {
    tasks: Vec<&'a Task>,
    changes: Vec<Change>,
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
    fn write(&mut self, changes: &[Change]) -> impl Future<Output = Result<Answers>> + Send;
}

/// What the storage answered.
pub(crate) struct Answers {
    pub(crate) settled: Vec<Settled>,
    /// The write was tried more than once, so an earlier try may have been applied without an answer.
    pub(crate) repeated: bool,
}

impl<'a> Settlements<'a> {
    /// Decides which change records the outcome of an execution of `task`, and adds it.
    pub(crate) fn add(
        &mut self,
        queue: &AsyncTaskQueue,
        task: &'a Task,
        outcome: Outcome,
    ) -> Result<()> {
        let change = settle::settle(task, outcome, queue.clock().now(), fastrand::f64())?;
        self.tasks.push(task);
        self.changes.push(change);
        Ok(())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'a Task, &Change)> {
        self.tasks.iter().copied().zip(&self.changes)
    }
}

impl Recorded {
    fn of(change: &Change, answer: Settled, repeated: bool) -> Self {
        if answer == Settled::Applied || (repeated && is_result_of(change, answer)) {
            Self::Written
        } else if answer.is_success_under(change.lease) {
            Self::SucceededBefore
        } else {
            Self::Refused(answer)
        }
    }

    fn event(&self, change: &Change) -> Option<EventKind> {
        match self {
            Self::Written => EventKind::of(change),
            Self::SucceededBefore => Some(EventKind::Succeeded),
            Self::Refused(_) => None,
        }
    }
}

/// Records outcomes in one write. A task that was cancelled meanwhile is held until it is released, which a second
/// write does.
pub(crate) async fn record(
    queue: &AsyncTaskQueue,
    writer: &mut impl WriteChanges,
    settlements: &Settlements<'_>,
) -> Result<Vec<Recorded>> {
    let Answers { settled, repeated } = writer.write(&settlements.changes).await?;
    let mut all_recorded = Vec::with_capacity(settled.len());
    let mut releases = Vec::new();
    for ((task, change), answer) in settlements.iter().zip(settled) {
        if answer.is_cancelled_under(task.lease) {
            releases.push(Change::release_cancelled(task));
        }
        let recorded = Recorded::of(change, answer, repeated);
        if let Some(kind) = recorded.event(change) {
            queue.events().notify_of(task, kind);
        }
        all_recorded.push(recorded);
    }
    if !releases.is_empty() {
        writer.write(&releases).await?;
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
