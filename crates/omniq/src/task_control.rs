//! Cancels, requeues and reschedules tasks.
//!
//! Each operation reads the task, lets the rules of `omniq-core` decide, and writes the change on condition that the task
//! is still as it was read. If it is not, the operation starts over.

use omniq_core::settle;
use omniq_core::storage::{Settled, Watch};
use omniq_core::{Change, Decision, Due, Result, Task, TaskId, TaskStatus, Timestamp};
use tokio_stream::StreamExt as _;

use crate::error::{conflict, not_found};
use crate::events::EventKind;
use crate::{AsyncTaskQueue, clock};

/// The answer to a request to change a task.
enum Requested {
    /// It was carried out. This is the task as it was before.
    Done(Box<Task>),
    /// The task's status does not allow it.
    NotAllowed,
    /// The owner of a cancelled task has not released it yet.
    StillHeld,
}

impl AsyncTaskQueue {
    /// Gives a pending task another eta. Returns `false` if it is not pending.
    ///
    /// # Errors
    ///
    /// Of kind `NotFound` for an unknown id; otherwise as for [`get_task`](Self::get_task).
    pub async fn reschedule_task(&self, id: TaskId, eta: impl Into<Timestamp>) -> Result<bool> {
        let eta = Due::At(eta.into());
        let requested = self
            .request(id, |task| settle::reschedule(task, eta))
            .await?;
        Ok(matches!(requested, Requested::Done(_)))
    }

    /// Cancels a pending or running task. The handler of a running task is asked to stop, and its result is refused.
    /// Returns `false` if the task had already finished.
    ///
    /// # Errors
    ///
    /// Of kind `NotFound` for an unknown id; otherwise as for [`get_task`](Self::get_task).
    pub async fn cancel_task(&self, id: TaskId) -> Result<bool> {
        let Requested::Done(task) = self.request(id, settle::cancel).await? else {
            return Ok(false);
        };
        self.events().notify_of(&task, EventKind::Cancelled);
        Ok(true)
    }

    /// Makes a failed or cancelled task pending again, with all its attempts. Returns `false` if it is neither failed nor
    /// cancelled.
    ///
    /// If the handler of a cancelled task is still running, this waits until the handler stops or its process dies.
    ///
    /// # Errors
    ///
    /// Of kind `NotFound` for an unknown id; of kind `Conflict` if another task, which the text names, holds its unique key
    /// or continues its series; otherwise as for [`get_task`](Self::get_task).
    pub async fn requeue_task(&self, id: TaskId) -> Result<bool> {
        // Subscribed before the first read, so that no release between a read and the wait is missed.
        let mut watch = self.storage().watch();
        loop {
            match self.request(id, settle::requeue).await? {
                Requested::Done(_) => return Ok(true),
                Requested::NotAllowed => return Ok(false),
                Requested::StillHeld => {
                    self.release_if_owner_is_dead(id).await?;
                    self.wait_for_signal(&mut watch).await;
                }
            }
        }
    }

    /// Releases a cancelled task whose owner is dead. It may be that no pool is running that sweeps, so a caller that
    /// waits for the release checks this itself.
    async fn release_if_owner_is_dead(&self, id: TaskId) -> Result<()> {
        let orphans = self
            .storage()
            .orphans(clock::monotonic(), usize::MAX)
            .await?;
        for orphan in orphans {
            if orphan.task.id == id && orphan.task.status == TaskStatus::Cancelled {
                self.write(Change::release_cancelled(&orphan.task)).await?;
            }
        }
        Ok(())
    }

    /// Waits for a signal of the storage, at most a poll interval.
    async fn wait_for_signal(&self, watch: &mut Watch) {
        let safety_check = tokio::time::sleep(self.settings().poll_interval());
        tokio::pin!(safety_check);
        tokio::select! {
            Some(_) = watch.next() => {}
            () = &mut safety_check => {}
        }
    }

    /// Reads a task, decides, and writes the change if the task is still as it was read; otherwise starts over.
    async fn request(&self, id: TaskId, decide: impl Fn(&Task) -> Decision) -> Result<Requested> {
        loop {
            let task = self.get_task(id).await?.ok_or_else(|| not_found(id))?;
            let change = match decide(&task) {
                Decision::Write(change) => *change,
                Decision::StillHeld => return Ok(Requested::StillHeld),
                _ => return Ok(Requested::NotAllowed),
            };
            match self.write(change).await? {
                Settled::Applied => return Ok(Requested::Done(Box::new(task))),
                Settled::Conflict { holder } => return Err(conflict(&task, holder)),
                Settled::NotFound => return Err(not_found(id)),
                _ => {}
            }
        }
    }
}
