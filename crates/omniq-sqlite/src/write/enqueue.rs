//! Adds new tasks, and finds the task that holds a unique key or is the live member of a series.

use omniq_core::storage::Enqueued;
use omniq_core::{NewTask, TaskId, Timestamp};
use rusqlite::{OptionalExtension, params};

use super::batch::Batch;
use super::bulk_insert::BulkInsert;
use crate::errors::Failure;
use crate::row::id;
use crate::values::new_row;

impl Batch<'_> {
    /// Adds tasks. Those that can be inserted together with similar ones are written later in the batch.
    pub(crate) fn enqueue_all(
        &mut self,
        tasks: &[NewTask],
        now: Timestamp,
    ) -> Result<Vec<Enqueued>, Failure> {
        let mut answers = Vec::with_capacity(tasks.len());
        for task in tasks {
            let answer = match self.add_to_bulk(task, now)? {
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

    /// Assigns an id to a task, and collects it for a bulk insert. Returns `None` if the task must be inserted
    /// at once.
    fn add_to_bulk(&mut self, task: &NewTask, now: Timestamp) -> Result<Option<TaskId>, Failure> {
        if !BulkInsert::accepts(task) {
            return Ok(None);
        }
        let lane = match self.bulk_insert.lane_of_similar(task) {
            Some(lane) => lane,
            None => {
                self.write_bulk()?;
                let lane = self.lane_of(task)?;
                self.bulk_insert.set_pattern(task, lane);
                lane
            }
        };
        let id = self.high_water.next(self.conn, now)?;
        self.bulk_insert.push(id, now, task.payload.bytes.clone());
        self.lane_heads.mark_changed(lane);
        Ok(Some(id))
    }

    /// Writes the tasks that were collected for a bulk insert. Every operation that reads tasks must do so first.
    pub(crate) fn write_bulk(&mut self) -> Result<(), Failure> {
        self.bulk_insert.write(self.conn)
    }

    fn lane_of(&mut self, task: &NewTask) -> Result<i64, Failure> {
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
            Err(Failure::Sql(error)) if error.is_unique_violation() => {
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
        self.lane_heads.mark_changed(lane);
        Ok(())
    }

    /// Returns the task that holds a key, or is the live member of a series.
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
