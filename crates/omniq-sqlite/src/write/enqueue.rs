use omniq_core::storage::Enqueued;
use omniq_core::{NewTask, TaskId, Timestamp};
use rusqlite::{OptionalExtension, params};

use super::Batch;
use crate::row::id;
use crate::trouble::{Failure, is_taken};
use crate::values::new_row;

impl Batch<'_> {
    /// Adds tasks; those that can wait for others like them are written later in the batch.
    pub(crate) fn enqueue_all(
        &mut self,
        tasks: &[NewTask],
        now: Timestamp,
    ) -> Result<Vec<Enqueued>, Failure> {
        let mut answers = Vec::with_capacity(tasks.len());
        for task in tasks {
            let answer = match self.wait_for_others(task, now)? {
                Some(id) => {
                    self.effects.add_work(now);
                    Enqueued::New(id)
                }
                None => self.enqueue(task, now)?,
            };
            answers.push(answer);
        }
        Ok(answers)
    }

    pub(super) fn lane_of(&mut self, task: &NewTask) -> Result<i64, Failure> {
        self.lanes
            .number(self.conn, &task.queue, &task.name, task.payload.format)
    }

    /// Adds a task, or finds the one that holds its unique key or is the live member of its series.
    pub(crate) fn enqueue(&mut self, task: &NewTask, now: Timestamp) -> Result<Enqueued, Failure> {
        let id = self.high_water.next(self.conn, now)?;
        match self.insert(task, id, now) {
            Ok(()) => {
                self.effects.add_work(now);
                Ok(Enqueued::New(id))
            }
            Err(Failure::Sql(error)) if is_taken(&error) => {
                let name = task.unique_key.is_some().then_some(task.name.as_str());
                let holder = self.holder(name, task.unique_key.as_deref(), task.series_id)?;
                holder.map(Enqueued::Existing).ok_or(Failure::Sql(error))
            }
            Err(other) => Err(other),
        }
    }

    fn insert(&mut self, task: &NewTask, id: TaskId, now: Timestamp) -> Result<(), Failure> {
        let lane = self.lane_of(task)?;
        let mut statement = self
            .conn
            .prepare_cached(include_str!("../sql/enqueue.sql"))?;
        statement.execute(new_row(task, id, lane, now)?)?;
        self.heads.touch(lane);
        Ok(())
    }

    /// The task that holds a key, or is the live member of a series.
    pub(super) fn holder(
        &self,
        name: Option<&str>,
        key: Option<&str>,
        series: Option<TaskId>,
    ) -> Result<Option<TaskId>, Failure> {
        let mut by_key = self
            .conn
            .prepare_cached(include_str!("../sql/key_holder.sql"))?;
        let number: Option<i64> = by_key
            .query_row(params![name, key], |row| row.get(0))
            .optional()?;
        if let Some(number) = number {
            return id(number).map(Some);
        }
        let mut by_series = self
            .conn
            .prepare_cached(include_str!("../sql/series_member.sql"))?;
        let series = series.map(TaskId::as_i64);
        let number: Option<i64> = by_series.query_row([series], |row| row.get(0)).optional()?;
        number.map(id).transpose()
    }
}
