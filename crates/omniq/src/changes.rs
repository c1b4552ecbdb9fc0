//! What a caller may change about a task: read, decide by the rules, write if it is still as it was read; else again.

use omniq_core::settle;
use omniq_core::storage::{Settled, Watch};
use omniq_core::{Change, Due, Error, ErrorKind, Result, Task, TaskId, TaskStatus, Timestamp};
use tokio_stream::StreamExt as _;

use crate::error::{conflict, not_found};
use crate::events::EventKind;
use crate::{AsyncTaskQueue, clock};

impl AsyncTaskQueue {
    /// Gives a pending task another eta. `false` if it is not pending; an unknown id is an error of kind
    /// `NotFound`.
    pub async fn reschedule_task(&self, id: TaskId, eta: impl Into<Timestamp>) -> Result<bool> {
        let eta = Due::At(eta.into());
        let done = self
            .change(id, |task| settle::reschedule(task, eta))
            .await?;
        Ok(done.is_some())
    }

    /// Cancels a pending task, or a running one: its handler is told to stop, and its late result is
    /// refused. `false` if it was finished; an unknown id is an error of kind `NotFound`.
    pub async fn cancel_task(&self, id: TaskId) -> Result<bool> {
        let cancelled = self.change(id, settle::cancel).await?;
        if let Some(task) = &cancelled {
            self.events().tell_of(task, EventKind::Cancelled);
        }
        Ok(cancelled.is_some())
    }

    /// Tries a failed or cancelled task again from the beginning, with all its attempts. `false` if it is
    /// neither; an unknown id is an error of kind `NotFound`; if another task holds its unique key or its
    /// place in the series, an error of kind `Conflict` names that one.
    ///
    /// While the handler of a cancelled task has not stopped, this waits for it, or for its owner's death.
    pub async fn requeue_task(&self, id: TaskId) -> Result<bool> {
        // Before the first look, so that no letting go falls between a look and the wait.
        let mut watch = self.storage().watch();
        loop {
            match self.change(id, settle::requeue).await {
                Ok(done) => return Ok(done.is_some()),
                Err(error) if still_held(&error) => {
                    self.let_go_of_the_dead(id).await?;
                    self.something_happens(&mut watch).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// No pool may be there to sweep: whoever waits for a dead owner to let go looks for itself.
    async fn let_go_of_the_dead(&self, id: TaskId) -> Result<()> {
        let orphans = self.storage().orphans(clock::steady(), usize::MAX).await?;
        let ours = orphans.iter().find(|orphan| orphan.task.id == id);
        if let Some(orphan) = ours.filter(|one| one.task.status == TaskStatus::Cancelled) {
            self.write(Change::let_go(&orphan.task)).await?;
        }
        Ok(())
    }

    /// Waits for a signal of the storage, at most a poll interval.
    async fn something_happens(&self, watch: &mut Watch) {
        let safety = tokio::time::sleep(self.settings().poll_interval());
        tokio::pin!(safety);
        tokio::select! {
            Some(_) = watch.next() => {}
            () = &mut safety => {}
        }
    }

    /// Reads a task, decides, and writes if it is still as it was read; else again. Answers with the task
    /// as it was before; `None` if it is not in a state for the wish.
    async fn change(
        &self,
        id: TaskId,
        decide: impl Fn(&Task) -> Result<Change>,
    ) -> Result<Option<Task>> {
        loop {
            let task = self.get_task(id).await?.ok_or_else(|| not_found(id))?;
            let change = match decide(&task) {
                Ok(change) => change,
                Err(e) if e.kind() == ErrorKind::InvalidState && !e.is_retryable() => {
                    return Ok(None);
                }
                Err(e) => return Err(e),
            };
            match self.write(change).await? {
                Settled::Done => return Ok(Some(task)),
                Settled::Conflict { holder } => return Err(conflict(&task, holder)),
                Settled::Gone => return Err(not_found(id)),
                _ => {}
            }
        }
    }
}

fn still_held(error: &Error) -> bool {
    error.kind() == ErrorKind::InvalidState && error.is_retryable()
}
