//! Builds the parameters of the statements that write tasks. The writer uses them, and so do the application's own
//! transactions.

use std::borrow::Cow;

use omniq_core::{Change, NewTask, TaskId, Timestamp};
use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, ValueRef};

use crate::errors::Failure;
use crate::row::{backoff_to_json, duration_to_micros, to_json};

/// A parameter of a statement.
#[derive(Debug)]
pub(crate) enum Value<'a> {
    Null,
    Integer(i64),
    Text(Cow<'a, str>),
    Blob(&'a [u8]),
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Blob(bytes)
    }
}

impl<'a, T: Into<Self>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// Returns the parameters of `enqueue.sql`.
pub(crate) fn new_row(
    task: &NewTask,
    id: TaskId,
    lane: i64,
    now: Timestamp,
) -> Result<[Value<'_>; 16], Failure> {
    let eta = task.eta.resolve(now);
    let series = task.series_id.or(task.interval.map(|_| id));
    let headers = (!task.headers.is_empty())
        .then(|| to_json(&task.headers))
        .transpose()?;
    let key = task.unique_key.as_deref();
    Ok([
        id.as_i64().into(),
        lane.into(),
        i64::from(eta <= now).into(),
        i64::from(task.priority).into(),
        eta.as_micros().into(),
        task.interval.map(duration_to_micros).into(),
        series.map(TaskId::as_i64).into(),
        i64::from(task.max_attempts).into(),
        task.timeout.map(duration_to_micros).into(),
        backoff_to_json(task.backoff)?.into(),
        key.map(|_| task.name.as_str()).into(),
        key.into(),
        i64::from(task.hold_count).into(),
        headers.into(),
        task.payload.bytes.as_slice().into(),
        now.as_micros().into(),
    ])
}

/// Returns the parameters of `settle.sql`.
pub(crate) fn changed_row(change: &Change, now: Timestamp) -> [Value<'_>; 11] {
    let eta = change.eta.map(|eta| eta.resolve(now).as_micros());
    let result = change.result.as_ref();
    [
        change.id.as_i64().into(),
        i64::from(change.expect.code()).into(),
        change.lease.cast_signed().into(),
        i64::from(change.status.code()).into(),
        change.attempts.map(i64::from).into(),
        change.crashes.map(i64::from).into(),
        eta.into(),
        now.as_micros().into(),
        i64::from(change.keep_owner).into(),
        result.map(|result| i64::from(result.format.code())).into(),
        result.map(|result| result.bytes.as_slice()).into(),
    ]
}
