//! Records the outcomes of executions: all that are pending, in one write.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use omniq_core::storage::{ProgressUpdate, Settled};
use omniq_core::{Change, Error, Outcome, Result, Task, TaskError, TaskStatus};
use tokio::sync::mpsc;

use super::progress::{last_updates, write_last};
use super::report::Report;
use super::shared::Shared;
use crate::context::Execution;
use crate::events::EventKind;
use crate::settlement::{Answers, Recorded, Settlements, WriteChanges, record};
use crate::storage_retry::StorageRetry;

/// The most outcomes in one write.
const BATCH: usize = 1000;
/// The most outcomes that can wait to be written. If there are more, seats wait, too.
pub(super) const ROOM: usize = 2 * BATCH;

/// How long after the grace outcomes may still be written.
pub(super) const LAST_WRITES: Duration = Duration::from_secs(5);

/// Settles outcomes until no seat can report any more, or until [`LAST_WRITES`] after the grace.
pub(super) async fn settle_loop(pool: Arc<Shared>, mut reports: mpsc::Receiver<Report>) {
    // However settling ends, the heartbeat ends with it.
    let _fire_on_exit = pool.settled.fire_on_drop();
    let mut inbox = Vec::with_capacity(BATCH);
    let mut settler = Settler {
        pool: Arc::clone(&pool),
        retry: StorageRetry::new("settling tasks"),
        last_progress: Vec::new(),
    };
    let settle_all = async {
        while reports.recv_many(&mut inbox, BATCH).await > 0 {
            // Handlers that are about to end share the write.
            tokio::task::yield_now().await;
            while inbox.len() < BATCH
                && let Ok(report) = reports.try_recv()
            {
                inbox.push(report);
            }
            settler.settle(&mut inbox).await;
        }
    };
    let write_limit = async {
        pool.grace_expired.fired().await;
        tokio::time::sleep(LAST_WRITES).await;
    };
    tokio::select! {
        () = settle_all => {}
        () = write_limit => {}
    }
}

struct Settler {
    pool: Arc<Shared>,
    retry: StorageRetry,
    /// The last progress of the tasks whose outcomes are written next.
    last_progress: Vec<ProgressUpdate>,
}

impl Settler {
    async fn settle(&mut self, inbox: &mut Vec<Report>) {
        let pool = Arc::clone(&self.pool);
        let mut executions = Vec::with_capacity(inbox.len());
        let mut outcomes = Vec::with_capacity(inbox.len());
        // Held until the outcomes are written.
        let mut isolations = Vec::new();
        for report in inbox.drain(..) {
            executions.push(report.execution);
            outcomes.push(report.outcome);
            isolations.extend(report.isolation);
        }
        let settlements = self.decide(&executions, outcomes);
        self.last_progress = last_updates(&pool, &executions).await;
        let queue = pool.omniq().queue();
        match record(queue, self, &settlements).await {
            Ok(all_recorded) => {
                for ((task, change), recorded) in settlements.iter().zip(all_recorded) {
                    self.report(task, change, &recorded);
                }
            }
            Err(error) => tracing::error!(error = %error.chain(), "outcomes could not be recorded"),
        }
        pool.held
            .remove(executions.iter().map(|one| one.task.lease()));
    }

    /// Decides what is written. An outcome for which the rules have no change is logged and left out.
    fn decide<'a>(
        &self,
        executions: &'a [Arc<Execution>],
        outcomes: Vec<Outcome>,
    ) -> Settlements<'a> {
        let queue = self.pool.omniq().queue();
        let mut settlements = Settlements::default();
        for (execution, outcome) in executions.iter().zip(outcomes) {
            let ran = matches!(outcome, Outcome::Succeeded { .. } | Outcome::Failed(_));
            self.count_finished(ran);
            if let Err(error) = settlements.add(queue, &execution.task, outcome) {
                tracing::error!(task = %execution.task.id, error = %error.chain(), "an outcome can't be settled");
            }
        }
        settlements
    }

    fn count_finished(&self, ran: bool) {
        let finished = &self.pool.finished;
        finished.fetch_add(u64::from(ran), Ordering::Relaxed);
    }

    /// Writes changes, and repeats the write until the storage answers.
    async fn write_until_answered(&mut self, changes: &[Change]) -> Answers {
        let mut repeated = false;
        loop {
            match self.write_once(changes.to_vec()).await {
                Ok(settled) => return Answers { settled, repeated },
                Err(error) if is_permanent(&error) => {
                    let mut settled = Vec::with_capacity(changes.len());
                    for change in changes {
                        settled.push(self.write_alone(change.clone()).await);
                    }
                    let repeated = true;
                    return Answers { settled, repeated };
                }
                Err(error) => tokio::time::sleep(self.retry.failed(&error)).await,
            }
            repeated = true;
        }
    }

    /// Writes one change separately, so that a change that the storage rejects does not block the others. Such a change is
    /// replaced by a failure. If the storage rejects that, too, the task is taken over once its lease has expired.
    async fn write_alone(&mut self, mut change: Change) -> Settled {
        let mut is_failure = false;
        loop {
            match self.write_once(vec![change.clone()]).await {
                Ok(settled) => return settled.first().copied().unwrap_or(Settled::NotFound),
                Err(error) if is_permanent(&error) => {
                    let error = error.chain().to_string();
                    tracing::error!(task = %change.id, error, "an outcome can't be written");
                    let text = format!("the outcome could not be written: {error}");
                    let failure = TaskError::new("result", text).with_retryable(false);
                    match change.failed_instead(failure, self.pool.clock().now()) {
                        Ok(instead) if !is_failure => change = instead,
                        _ => return Settled::NotFound,
                    }
                    is_failure = true;
                }
                Err(error) => tokio::time::sleep(self.retry.failed(&error)).await,
            }
        }
    }

    async fn write_once(&mut self, changes: Vec<Change>) -> Result<Vec<Settled>> {
        let now = self.pool.clock().now();
        let settled = self.pool.omniq().storage().settle(changes, now).await?;
        self.retry.succeeded();
        Ok(settled)
    }

    /// Counts and logs a recorded outcome.
    fn report(&self, task: &Task, change: &Change, recorded: &Recorded) {
        match recorded {
            Recorded::Written => self.report_written(task, change),
            Recorded::SucceededBefore => self.report_own_transaction(task, change),
            Recorded::Refused(answer) => {
                tracing::debug!(task = %task.id, ?answer, "a late outcome was refused");
            }
        }
    }

    fn report_written(&self, task: &Task, change: &Change) {
        let (id, name) = (task.id, &task.name);
        match (EventKind::of(change), &change.error) {
            (None, _) => {}
            (Some(EventKind::Released), _) => {
                self.pool.released.fetch_add(1, Ordering::Relaxed);
                tracing::debug!(task = %id, name, "released");
            }
            (Some(EventKind::Retried), Some(error)) => {
                let (attempt, error_type) = (task.attempts, &error.error_type);
                let error = loggable(error);
                tracing::warn!(task = %id, name, attempt, error_type, error, "failed, and will be tried again");
            }
            (Some(EventKind::Failed), Some(error)) => {
                let error_type = &error.error_type;
                let error = loggable(error);
                tracing::error!(task = %id, name, error_type, error, "failed permanently");
            }
            _ => tracing::debug!(task = %id, name, "finished"),
        }
    }

    /// Counts and logs an execution whose handler had already completed the task in a transaction of its own: the way in
    /// which the handler ended afterwards does not change the task.
    fn report_own_transaction(&self, task: &Task, change: &Change) {
        let (id, name) = (task.id, &task.name);
        match &change.error {
            Some(error) => {
                let error_type = &error.error_type;
                tracing::warn!(task = %id, name, error_type, "the handler failed after it had completed the task in its own transaction: the task remains a success");
            }
            None => tracing::debug!(task = %id, name, "finished"),
        }
        let counted = change.error.is_some() || change.status == TaskStatus::Success;
        self.count_finished(!counted);
    }
}

impl WriteChanges for Settler {
    /// Writes the last progress of these tasks and their changes. Both are sent without a wait in between, so that a
    /// storage can write them in one commit.
    async fn write(&mut self, changes: &[Change]) -> Result<Answers> {
        let pool = Arc::clone(&self.pool);
        let updates = std::mem::take(&mut self.last_progress);
        let ((), answers) = tokio::join! {
            biased;
            write_last(&pool, updates),
            self.write_until_answered(changes),
        };
        Ok(answers)
    }
}

/// Returns the text of an error for the log, unless the text may quote an argument.
fn loggable(error: &TaskError) -> String {
    match error.error_type.as_str() {
        "payload" => "(the text may quote an argument: it is stored with the task)".to_owned(),
        _ => error.with_causes(),
    }
}

/// Returns whether the storage would reject the same write every time.
fn is_permanent(error: &Error) -> bool {
    !error.is_retryable() && !error.is_unknown()
}
