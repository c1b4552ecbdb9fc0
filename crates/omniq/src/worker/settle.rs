//! Writes down what became of executions: everything that waits, in one call.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use omniq_core::storage::Settled;
use omniq_core::{Change, Error, Outcome, Result, TaskError, TaskStatus, settle};
use tokio::sync::mpsc;

use super::Shared;
use super::poison_isolation::Turn;
use super::progress::{last_notes, write_last};
use crate::context::Execution;
use crate::events::EventKind;
use crate::storage_retry::StorageRetry;

/// How many are written at once.
const BATCH: usize = 1000;
/// How many may wait; then seats wait too.
pub(super) const ROOM: usize = 2 * BATCH;

/// What became of an execution.
pub(super) struct Report {
    pub(super) execution: Arc<Execution>,
    pub(super) outcome: Outcome,
    pub(super) turn: Option<Turn>,
}

/// After the grace, how long what was dropped may take to be written down.
pub(super) const LAST_WORDS: Duration = Duration::from_secs(5);

/// Settles until nobody can report any more, or until some time after the grace.
pub(super) async fn settle_loop(pool: Arc<Shared>, mut reports: mpsc::Receiver<Report>) {
    // However settling ends, the heartbeat ends with it.
    let _end = pool.settled.at_the_end();
    let mut inbox = Vec::with_capacity(BATCH);
    let mut writer = Writer {
        pool: Arc::clone(&pool),
        trouble: StorageRetry::new("settling tasks"),
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
            writer.settle(&mut inbox).await;
        }
    };
    let too_late = async {
        pool.grace_over.fired().await;
        tokio::time::sleep(LAST_WORDS).await;
    };
    tokio::select! {
        () = settle_all => {}
        () = too_late => {}
    }
}

struct Writer {
    pool: Arc<Shared>,
    trouble: StorageRetry,
}

impl Writer {
    async fn settle(&mut self, inbox: &mut Vec<Report>) {
        let mut executions = Vec::with_capacity(inbox.len());
        let mut changes = Vec::with_capacity(inbox.len());
        let mut turns = Vec::new();
        for Report {
            execution,
            outcome,
            turn,
        } in inbox.drain(..)
        {
            turns.extend(turn);
            let ran = matches!(outcome, Outcome::Succeeded { .. } | Outcome::Failed(_));
            self.pool
                .finished
                .fetch_add(u64::from(ran), Ordering::Relaxed);
            match settle::settle(
                &execution.task,
                outcome,
                self.pool.clock().now(),
                fastrand::f64(),
            ) {
                Ok(change) => {
                    changes.push(change);
                    executions.push(execution);
                }
                Err(error) => {
                    tracing::error!(task = %execution.task.id, %error, "an outcome can't be settled");
                    self.pool.held.remove([execution.task.lease()].into_iter());
                }
            }
        }
        let (answers, retried) = self.write_all(&executions, &changes).await;
        let mut left_with_us = Vec::new();
        for ((execution, change), answer) in executions.iter().zip(&changes).zip(answers) {
            if answer.is_cancelled_under(change.lease) {
                left_with_us.push(Change::release_cancelled(&execution.task));
            } else if answer == Settled::Applied || (retried && is_as_wished(change, answer)) {
                self.note(execution, change);
            } else if answer.is_success_under(change.lease) {
                self.note_own_transaction(execution, change);
            } else {
                let task = execution.task.id;
                tracing::debug!(%task, ?answer, "a late outcome was refused");
            }
        }
        if !left_with_us.is_empty() {
            self.write(&left_with_us).await;
        }
        let settled = executions.iter().map(|one| one.task.lease());
        self.pool.held.remove(settled);
    }

    /// Writes what the tasks told last, and what became of them: sent without a wait in between, so that a
    /// storage can write both in one go.
    async fn write_all(
        &mut self,
        executions: &[Arc<Execution>],
        changes: &[Change],
    ) -> (Vec<Settled>, bool) {
        let pool = Arc::clone(&self.pool);
        let notes = last_notes(&pool, executions).await;
        let ((), settled) = tokio::join! {
            biased;
            write_last(&pool, notes),
            self.write(changes),
        };
        settled
    }

    /// Writes until the storage answers; also says whether it took more than one try.
    async fn write(&mut self, changes: &[Change]) -> (Vec<Settled>, bool) {
        let mut retried = false;
        loop {
            match self.settle_now(changes.to_vec()).await {
                Ok(answers) => return (answers, retried),
                Err(error) if is_for_good(&error) => {
                    let mut answers = Vec::with_capacity(changes.len());
                    for change in changes {
                        answers.push(self.write_alone(change).await);
                    }
                    return (answers, true);
                }
                Err(error) => tokio::time::sleep(self.trouble.failed(&error)).await,
            }
            retried = true;
        }
    }

    /// One change that the storage refuses must not keep the others waiting. It becomes a failure; if even
    /// that is refused, the task is left to whoever finds its lease over.
    async fn write_alone(&mut self, change: &Change) -> Settled {
        let mut change = change.clone();
        let mut given_up = false;
        loop {
            match self.settle_now(vec![change.clone()]).await {
                Ok(answers) => return answers.first().copied().unwrap_or(Settled::NotFound),
                Err(error) if is_for_good(&error) => {
                    tracing::error!(task = %change.id, %error, "an outcome can't be written");
                    let text = format!("the outcome could not be written: {error}");
                    let failure = TaskError::new("result", text).with_retryable(false);
                    match change.failed_instead(failure, self.pool.clock().now()) {
                        Ok(instead) if !given_up => change = instead,
                        _ => return Settled::NotFound,
                    }
                    given_up = true;
                }
                Err(error) => tokio::time::sleep(self.trouble.failed(&error)).await,
            }
        }
    }

    async fn settle_now(&mut self, changes: Vec<Change>) -> Result<Vec<Settled>> {
        let answers = self
            .pool
            .omniq()
            .storage()
            .settle(changes, self.pool.clock().now())
            .await?;
        self.trouble.over();
        Ok(answers)
    }

    /// Counts, tells and logs what was written.
    fn note(&self, execution: &Execution, change: &Change) {
        let task = &execution.task;
        let Some(kind) = EventKind::of(change) else {
            return;
        };
        match (&kind, &change.error) {
            (EventKind::Released, _) => {
                self.pool.released.fetch_add(1, Ordering::Relaxed);
            }
            (EventKind::Retried, Some(error)) => {
                let attempt = task.attempts;
                tracing::warn!(task = %task.id, name = task.name, attempt, error_type = error.error_type, error = sayable(error), "failed, and will be tried again");
            }
            (EventKind::Failed, Some(error)) => {
                tracing::error!(task = %task.id, name = task.name, error_type = error.error_type, error = sayable(error), "failed for good");
            }
            _ => tracing::debug!(task = %task.id, name = task.name, "finished"),
        }
        self.pool.omniq().queue().events().tell_of(task, kind);
    }

    /// The handler had completed its task in a transaction of its own: how it ended does not matter then.
    fn note_own_transaction(&self, execution: &Execution, change: &Change) {
        let task = &execution.task;
        match &change.error {
            Some(error) => {
                let error_type = &error.error_type;
                tracing::warn!(task = %task.id, name = task.name, error_type, "failed after it had been completed in its own transaction: it stays a success");
            }
            None => tracing::debug!(task = %task.id, name = task.name, "finished"),
        }
        let ran = change.error.is_some() || change.status == TaskStatus::Success;
        self.pool
            .finished
            .fetch_add(u64::from(!ran), Ordering::Relaxed);
        let events = self.pool.omniq().queue().events();
        events.tell_of(task, EventKind::Succeeded);
    }
}

/// The text of an error, as far as it is no argument's.
fn sayable(error: &TaskError) -> String {
    match error.error_type.as_str() {
        "payload" => "(the text may quote an argument: it is kept with the task)".to_owned(),
        _ => error.with_causes(),
    }
}

/// Whether a write that was tried twice had happened the first time.
fn is_as_wished(change: &Change, answer: Settled) -> bool {
    matches!(
        answer,
        Settled::Stale { status, lease } if status == change.status && lease == change.lease
    )
}

/// Whether the same write would be refused again and again.
fn is_for_good(error: &Error) -> bool {
    !error.is_retryable() && !error.is_unknown()
}
