use omniq_core::storage::Enqueued;
use omniq_core::{NewTask, TaskId, Timestamp};
use rusqlite::{OptionalExtension, params};

use super::Batch;
use crate::row::id;
use crate::trouble::{Failure, is_taken};
use crate::values::new_row;

/// Fewer are written one by one, and so are larger ones.
const FEW: usize = 4;
const SMALL: usize = 4096;

/// Where the payload is in a row of `enqueue.sql`.
const PAYLOAD: usize = 14;

/// Whether nothing can be in the way of such a task.
fn can_be_alike(task: &NewTask) -> bool {
    task.unique_key.is_none() && task.series_id.is_none() && task.interval.is_none()
}

/// The payloads in hex, as a JSON list, if there are enough of them and none is large.
fn in_hex(alike: &[NewTask]) -> Option<String> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let small = |task: &NewTask| task.payload.bytes.len() <= SMALL;
    if alike.len() < FEW || !alike.iter().all(small) {
        return None;
    }
    let mut list = String::from("[");
    for (at, task) in alike.iter().enumerate() {
        list.push_str(if at == 0 { "\"" } else { "\",\"" });
        for byte in &task.payload.bytes {
            list.push(DIGITS[usize::from(byte >> 4)].into());
            list.push(DIGITS[usize::from(byte & 15)].into());
        }
    }
    list.push_str("\"]");
    Some(list)
}

impl Batch<'_> {
    /// Adds tasks. Those that follow each other and differ in their payload only are written with one statement:
    /// one for each takes twice as long.
    pub(crate) fn enqueue_all(
        &mut self,
        tasks: &[NewTask],
        now: Timestamp,
    ) -> Result<Vec<Enqueued>, Failure> {
        let mut answers = Vec::with_capacity(tasks.len());
        for alike in tasks.chunk_by(|one, next| can_be_alike(one) && one.is_like(next)) {
            match in_hex(alike) {
                Some(payloads) => answers.extend(self.enqueue_alike(alike, payloads, now)?),
                None => {
                    for task in alike {
                        answers.push(self.enqueue(task, now)?);
                    }
                }
            }
        }
        Ok(answers)
    }

    /// Adds tasks that differ in their payload only.
    fn enqueue_alike(
        &mut self,
        alike: &[NewTask],
        payloads: String,
        now: Timestamp,
    ) -> Result<Vec<Enqueued>, Failure> {
        let mut ids = Vec::with_capacity(alike.len());
        for _ in alike {
            ids.push(self.high_water.next(self.conn, now)?);
        }
        let lane = self.lane_of(&alike[0])?;
        let mut row = new_row(&alike[0], ids[0], lane, now)?;
        row[PAYLOAD] = payloads.into();
        let mut statement = self
            .conn
            .prepare_cached(include_str!("../sql/enqueue_alike.sql"))?;
        let added = statement.execute(row)?;
        if added != ids.len() {
            return Err(rusqlite::Error::StatementChangedRows(added).into());
        }
        self.heads.touch(lane);
        self.effects.add_work(now);
        Ok(ids.into_iter().map(Enqueued::New).collect())
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
