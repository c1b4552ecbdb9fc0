//! Converts rows into tasks, and parts of a task into columns. The order of the columns is that of `get.sql`,
//! `get_many.sql` and `list.sql`.

use std::time::Duration;

use omniq_core::{
    Backoff, Error, ErrorKind, Format, OwnerId, Payload, Progress, Task, TaskError, TaskId,
    TaskStatus, Timestamp,
};
use rusqlite::{Connection, Row};

use crate::errors::Failure;
use crate::lanes::Lanes;

/// Converts a duration into the whole microseconds that are stored.
pub(crate) fn duration_to_micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

pub(crate) fn duration_from_micros(micros: i64) -> Duration {
    Duration::from_micros(micros.unsigned_abs())
}

/// Converts a backoff into JSON, or into `None` if it is the default, which most tasks have.
pub(crate) fn backoff_to_json(backoff: Backoff) -> Result<Option<String>, Failure> {
    if backoff == Backoff::default() {
        Ok(None)
    } else {
        to_json(&backoff).map(Some)
    }
}

pub(crate) fn to_json<T: serde::Serialize>(value: &T) -> Result<String, Failure> {
    serde_json::to_string(value).map_err(|e| {
        let text = "a part of the task can't be written as JSON";
        Failure::Refused(Error::new(ErrorKind::Serialization, text).with_source(e))
    })
}

/// Returns the task of a row, without the errors of its failed attempts.
pub(crate) fn task(row: &Row<'_>, lanes: &Lanes) -> Result<Task, Failure> {
    let id = id(row.get(0)?)?;
    let number: i64 = row.get(1)?;
    let lane = lanes
        .get(number)
        .ok_or_else(|| damaged(id, "lane", number))?;
    let payload = Payload::new(lane.format, row.get(17)?);
    let new = omniq_core::NewTask::new(lane.name.clone(), lane.queue.clone(), payload);
    let mut task = Task::from_new(new, id, Timestamp(row.get(18)?));
    let status: u8 = row.get(2)?;
    task.status = TaskStatus::from_code(status).ok_or_else(|| damaged(id, "status", status))?;
    task.priority = row.get(3)?;
    task.eta = Timestamp(row.get(4)?);
    task.interval = row.get::<_, Option<i64>>(5)?.map(duration_from_micros);
    task.series_id = row.get::<_, Option<i64>>(6)?.and_then(TaskId::from_i64);
    task.attempts = row.get(7)?;
    task.max_attempts = row.get(8)?;
    task.crashes = row.get(9)?;
    task.timeout = row.get::<_, Option<i64>>(10)?.map(duration_from_micros);
    if let Some(json) = row
        .get_ref(11)?
        .as_str_or_null()
        .map_err(rusqlite::Error::from)?
    {
        task.backoff = serde_json::from_str(json).map_err(|e| unreadable(id, "backoff", e))?;
    }
    task.unique_key = row.get(12)?;
    task.lease = row.get::<_, i64>(13)?.unsigned_abs();
    task.owner = row.get::<_, Option<i64>>(14)?.and_then(OwnerId::from_i64);
    task.hold_count = row.get(15)?;
    if let Some(json) = row
        .get_ref(16)?
        .as_str_or_null()
        .map_err(rusqlite::Error::from)?
    {
        task.headers = serde_json::from_str(json).map_err(|e| unreadable(id, "headers", e))?;
    }
    task.started_at = row.get::<_, Option<i64>>(19)?.map(Timestamp);
    task.finished_at = row.get::<_, Option<i64>>(20)?.map(Timestamp);
    if let Some(code) = row.get::<_, Option<u8>>(21)? {
        let format = Format::from_code(code).ok_or_else(|| damaged(id, "result_format", code))?;
        task.result = Some(Payload::new(format, row.get(22)?));
    }
    task.progress = progress(row)?;
    Ok(task)
}

fn progress(row: &Row<'_>) -> Result<Option<Progress>, Failure> {
    let (Some(fraction), Some(at)) = (row.get(23)?, row.get(25)?) else {
        return Ok(None);
    };
    let text = row.get_ref(24)?.as_str_or_null();
    let text = text.map_err(rusqlite::Error::from)?.unwrap_or_default();
    Ok(Some(Progress::new(fraction, text, Timestamp(at))))
}

/// Adds the errors of a task's failed attempts. A task that is in its first attempt, or was never claimed, has none.
pub(crate) fn with_errors(conn: &Connection, mut task: Task) -> Result<Task, Failure> {
    let is_first_attempt = task.status == TaskStatus::Running && task.lease == 1;
    if task.lease == 0 || is_first_attempt {
        return Ok(task);
    }
    let mut statement = conn.prepare_cached(include_str!("sql/errors.sql"))?;
    let mut rows = statement.query([task.id.as_i64()])?;
    while let Some(row) = rows.next()? {
        let json = row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?;
        let error: TaskError =
            serde_json::from_str(json).map_err(|e| unreadable(task.id, "error", e))?;
        task.errors.push(error);
    }
    Ok(task)
}

pub(crate) fn id(number: i64) -> Result<TaskId, Failure> {
    TaskId::from_i64(number).ok_or_else(|| {
        let text = format!("a task has the id {number}: ids are positive");
        Failure::Refused(Error::new(ErrorKind::Storage, text))
    })
}

fn unreadable(id: TaskId, column: &str, error: serde_json::Error) -> Failure {
    let text = format!("the task {id} ({}) has an unreadable {column}", id.as_i64());
    Failure::Refused(Error::new(ErrorKind::Storage, text).with_source(error))
}

fn damaged(id: TaskId, column: &str, value: impl std::fmt::Display) -> Failure {
    let text = format!(
        "the task {id} ({}) has an unusable {column}: {value}",
        id.as_i64()
    );
    Failure::Refused(Error::new(ErrorKind::Storage, text))
}
