//! Collects new tasks of one batch that differ in little, and inserts them with one statement, even if many
//! callers sent them. One statement for each task takes twice as long.

use std::fmt::Write as _;

use omniq_core::{Due, NewTask, Payload, TaskId, Timestamp};
use rusqlite::{Connection, params_from_iter};

use crate::errors::Failure;
use crate::values::new_row;

/// Fewer tasks than this are inserted one by one.
const MIN_BULK: usize = 4;
/// Tasks with a larger payload gain nothing from a bulk insert.
const MAX_PAYLOAD: usize = 4096;
/// The index of the payload among the parameters of `enqueue.sql`.
const PAYLOAD: usize = 14;

/// The tasks of a batch that are not written yet.
#[derive(Default)]
pub(crate) struct BulkInsert {
    /// What these tasks have in common, and the number of their lane.
    pattern: Option<(NewTask, i64)>,
    unwritten: Vec<Unwritten>,
}

struct Unwritten {
    id: TaskId,
    now: Timestamp,
    payload: Vec<u8>,
}

impl BulkInsert {
    /// Forgets the unwritten tasks of a batch that was rolled back.
    pub(crate) fn clear(&mut self) {
        self.unwritten.clear();
    }

    /// Returns whether a task can be inserted later: no index can refuse it, so its answer is known beforehand.
    pub(super) fn accepts(task: &NewTask) -> bool {
        let has_no_key =
            task.unique_key.is_none() && task.series_id.is_none() && task.interval.is_none();
        has_no_key && task.eta == Due::NOW && task.payload.bytes.len() <= MAX_PAYLOAD
    }

    /// Returns the lane of the collected tasks, if this task can be inserted together with them.
    pub(super) fn lane_of_similar(&self, task: &NewTask) -> Option<i64> {
        match &self.pattern {
            Some((pattern, lane)) if pattern.is_like(task) => Some(*lane),
            _ => None,
        }
    }

    /// Makes a task and its lane the pattern of the tasks that follow. All tasks before it must be written.
    pub(super) fn set_pattern(&mut self, task: &NewTask, lane: i64) {
        let mut pattern = task.clone();
        pattern.payload = Payload::new(task.payload.format, Vec::new());
        self.pattern = Some((pattern, lane));
    }

    /// Adds a task that is like the pattern.
    pub(super) fn push(&mut self, id: TaskId, now: Timestamp, payload: Vec<u8>) {
        self.unwritten.push(Unwritten { id, now, payload });
    }

    /// Inserts the unwritten tasks.
    pub(super) fn write(&mut self, conn: &Connection) -> Result<(), Failure> {
        let Some((pattern, lane)) = &self.pattern else {
            return Ok(());
        };
        if self.unwritten.is_empty() {
            return Ok(());
        }
        if self.unwritten.len() < MIN_BULK {
            let mut statement = conn.prepare_cached(include_str!("../sql/enqueue.sql"))?;
            for Unwritten { id, now, payload } in self.unwritten.drain(..) {
                let mut row = new_row(pattern, id, *lane, now)?;
                row[PAYLOAD] = payload.as_slice().into();
                statement.execute(row)?;
            }
            return Ok(());
        }
        let first = &self.unwritten[0];
        let mut row = new_row(pattern, first.id, *lane, first.now)?;
        let added = if are_consecutive(&self.unwritten) {
            row[PAYLOAD] = payload_list(&self.unwritten).into();
            let sql = include_str!("../sql/insert_consecutive.sql");
            conn.prepare_cached(sql)?.execute(row)?
        } else {
            row[PAYLOAD] = payload_object(&self.unwritten).into();
            let sql = include_str!("../sql/insert_bulk.sql");
            let columns = params_from_iter(&row[..=PAYLOAD]);
            conn.prepare_cached(sql)?.execute(columns)?
        };
        let expected = std::mem::take(&mut self.unwritten).len();
        if added != expected {
            return Err(rusqlite::Error::StatementChangedRows(added).into());
        }
        Ok(())
    }
}

/// Returns whether the tasks have the same time and consecutive ids.
fn are_consecutive(tasks: &[Unwritten]) -> bool {
    tasks.is_sorted_by(|one, next| one.now == next.now && one.id.as_i64() + 1 == next.id.as_i64())
}

/// Returns the payloads as the JSON list that `insert_consecutive.sql` expects.
fn payload_list(tasks: &[Unwritten]) -> String {
    let mut list = String::from("[\"");
    for (at, task) in tasks.iter().enumerate() {
        list.push_str(if at == 0 { "" } else { "\",\"" });
        push_hex(&mut list, &task.payload);
    }
    list.push_str("\"]");
    list
}

/// Returns ids, times and payloads as the JSON object that `insert_bulk.sql` expects.
fn payload_object(tasks: &[Unwritten]) -> String {
    let mut object = String::from("{");
    for (at, Unwritten { id, now, payload }) in tasks.iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        // Writing into a string can't fail.
        let _ = write!(
            object,
            "{comma}\"{:019}{}\":\"",
            id.as_i64(),
            now.as_micros()
        );
        push_hex(&mut object, payload);
        object.push('"');
    }
    object.push('}');
    object
}

fn push_hex(text: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    text.reserve(2 * bytes.len());
    for byte in bytes {
        text.push(DIGITS[usize::from(byte >> 4)].into());
        text.push(DIGITS[usize::from(byte & 15)].into());
    }
}
