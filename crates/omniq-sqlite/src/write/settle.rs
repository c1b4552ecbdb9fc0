//! Applies guarded changes to tasks.

use omniq_core::storage::{KEPT_ERRORS, Settled};
use omniq_core::{Change, TaskId, TaskStatus, Timestamp};
use rusqlite::{OptionalExtension, params};

use super::batch::Batch;
use crate::errors::Failure;
use crate::row::to_json;
use crate::values::changed_row;

impl Batch<'_> {
    /// Applies one guarded change, with its follow-up tasks.
    pub(crate) fn settle(&mut self, change: &Change, now: Timestamp) -> Result<Settled, Failure> {
        match self.update(change, now) {
            Ok(true) => {}
            Ok(false) => return self.refused(change),
            Err(Failure::Sql(error)) if error.is_unique_violation() => {
                let holder = self.conflicting_task(change.id)?;
                let conflict = holder.map(|holder| Settled::Conflict { holder });
                return conflict.ok_or(Failure::Sql(error));
            }
            Err(other) => return Err(other),
        }
        if let Some(error) = &change.error {
            self.store_error(change, &to_json(error)?)?;
        }
        for task in &change.then {
            self.enqueue(task, now)?;
        }
        if change.status == TaskStatus::Pending {
            self.mark_lane_changed(change)?;
        }
        self.effects.record(change, now);
        Ok(Settled::Applied)
    }

    fn update(&self, change: &Change, now: Timestamp) -> Result<bool, Failure> {
        let mut statement = self
            .conn
            .prepare_cached(include_str!("../sql/settle.sql"))?;
        let changed = statement.execute(changed_row(change, now))?;
        Ok(changed == 1)
    }

    /// Records that the task is in its lane again, or has a new position there.
    fn mark_lane_changed(&mut self, change: &Change) -> Result<(), Failure> {
        let mut statement = self
            .conn
            .prepare_cached(include_str!("../sql/lane_of_task.sql"))?;
        let lane = statement.query_row([change.id.as_i64()], |row| row.get(0))?;
        self.lane_heads.mark_changed(lane);
        Ok(())
    }

    /// Returns why a change was refused. If its execution has already succeeded, that happened in a transaction of
    /// the application, so that waiting callers may not have been notified: they are now.
    fn refused(&mut self, change: &Change) -> Result<Settled, Failure> {
        let mut statement = self
            .conn
            .prepare_cached(include_str!("../sql/status_and_lease.sql"))?;
        let status_and_lease = statement
            .query_row([change.id.as_i64()], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let answer = refusal(status_and_lease);
        if answer.is_success_under(change.lease) {
            self.effects.finished.push(change.id);
        }
        Ok(answer)
    }

    /// Returns the task that holds the unique key, or is the live member of the series, that this task would need to
    /// be unfinished again.
    fn conflicting_task(&self, task: TaskId) -> Result<Option<TaskId>, Failure> {
        let mut statement = self
            .conn
            .prepare_cached(include_str!("../sql/unique_keys_of_task.sql"))?;
        let (name, key, series): (Option<String>, Option<String>, Option<i64>) = statement
            .query_row([task.as_i64()], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })?;
        self.holder(
            name.as_deref(),
            key.as_deref(),
            series.and_then(TaskId::from_i64),
        )
    }

    /// Stores the error of a failed attempt, and deletes the task's oldest errors.
    fn store_error(&self, change: &Change, json: &str) -> Result<(), Failure> {
        let id = change.id.as_i64();
        let lease = change.lease.cast_signed();
        let mut insert = self
            .conn
            .prepare_cached(include_str!("../sql/insert_error.sql"))?;
        insert.execute(params![id, lease, json])?;
        if change.lease > KEPT_ERRORS as u64 {
            let mut trim = self
                .conn
                .prepare_cached(include_str!("../sql/trim_errors.sql"))?;
            trim.execute(params![id, KEPT_ERRORS as i64])?;
        }
        Ok(())
    }
}

/// Returns the answer to a change that was refused, given the task's status and lease.
pub(crate) fn refusal(status_and_lease: Option<(u8, i64)>) -> Settled {
    let Some((code, lease)) = status_and_lease else {
        return Settled::NotFound;
    };
    Settled::Stale {
        status: TaskStatus::from_code(code).unwrap_or(TaskStatus::Failed),
        lease: lease.unsigned_abs(),
    }
}
