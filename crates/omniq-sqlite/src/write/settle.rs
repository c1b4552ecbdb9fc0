use omniq_core::storage::{KEPT_ERRORS, Settled};
use omniq_core::{Change, TaskId, TaskStatus, Timestamp};
use rusqlite::{OptionalExtension, params};

use super::Batch;
use crate::row::json_in;
use crate::trouble::{Failure, is_taken};
use crate::values::changed_row;

impl Batch<'_> {
    /// One guarded change, with its follow-ups.
    pub(crate) fn settle(&mut self, change: &Change, now: Timestamp) -> Result<Settled, Failure> {
        match self.update(change, now) {
            Ok(true) => {}
            Ok(false) => return self.refused(change),
            Err(Failure::Sql(error)) if is_taken(&error) => {
                let holder = self.rival(change.id)?;
                let conflict = holder.map(|holder| Settled::Conflict { holder });
                return conflict.ok_or(Failure::Sql(error));
            }
            Err(other) => return Err(other),
        }
        if let Some(error) = &change.error {
            self.keep_error(change, &json_in(error)?)?;
        }
        for task in &change.then {
            self.enqueue(task, now)?;
        }
        if change.status == TaskStatus::Pending {
            self.touch_lane_of(change)?;
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

    /// The task stands in its lane again, or at another place of it.
    fn touch_lane_of(&mut self, change: &Change) -> Result<(), Failure> {
        let mut statement = self
            .conn
            .prepare_cached(include_str!("../sql/lane_of.sql"))?;
        let lane = statement.query_row([change.id.as_i64()], |row| row.get(0))?;
        self.heads.touch(lane);
        Ok(())
    }

    /// What stands in the way of a change. If its execution has succeeded already, that happened in another
    /// transaction: whoever waits for it may not have been told.
    fn refused(&mut self, change: &Change) -> Result<Settled, Failure> {
        let mut statement = self
            .conn
            .prepare_cached(include_str!("../sql/standing.sql"))?;
        let standing = statement
            .query_row([change.id.as_i64()], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let answer = moved(standing);
        if answer.is_success_under(change.lease) {
            self.effects.finished.push(change.id);
        }
        Ok(answer)
    }

    /// Who holds what this task would need to be unfinished again.
    fn rival(&self, task: TaskId) -> Result<Option<TaskId>, Failure> {
        let mut statement = self
            .conn
            .prepare_cached(include_str!("../sql/keys_of.sql"))?;
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

    fn keep_error(&self, change: &Change, json: &str) -> Result<(), Failure> {
        let id = change.id.as_i64();
        let lease = change.lease.cast_signed();
        let mut keep = self
            .conn
            .prepare_cached(include_str!("../sql/keep_error.sql"))?;
        keep.execute(params![id, lease, json])?;
        if change.lease > KEPT_ERRORS as u64 {
            let mut trim = self
                .conn
                .prepare_cached(include_str!("../sql/trim_errors.sql"))?;
            trim.execute(params![id, KEPT_ERRORS as i64])?;
        }
        Ok(())
    }
}

/// The answer to a change that was refused, by where the task stands instead.
pub(crate) fn moved(standing: Option<(u8, i64)>) -> Settled {
    let Some((code, lease)) = standing else {
        return Settled::NotFound;
    };
    Settled::Stale {
        status: TaskStatus::from_code(code).unwrap_or(TaskStatus::Failed),
        lease: lease.unsigned_abs(),
    }
}
