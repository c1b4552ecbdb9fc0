//! New tasks that differ from each other in little, whoever sent them: they wait until the batch needs them, and
//! are written with one statement. One for each takes twice as long.

use std::fmt::Write as _;

use omniq_core::{Due, NewTask, Payload, TaskId, Timestamp};
use rusqlite::params_from_iter;

use super::Batch;
use crate::trouble::Failure;
use crate::values::new_row;

/// Fewer are written one by one.
const FEW: usize = 4;
/// A larger payload is no gain.
const SMALL: usize = 4096;
/// Where the payload is in a row of `enqueue.sql`.
const PAYLOAD: usize = 14;

/// Tasks of one batch that are not written yet.
#[derive(Default)]
pub(crate) struct Alike {
    /// What they have in common, and their lane.
    pattern: Option<(NewTask, i64)>,
    waiting: Vec<Waiting>,
}

struct Waiting {
    id: TaskId,
    now: Timestamp,
    payload: Vec<u8>,
}

impl Alike {
    /// Forgets what waits: it was rolled back.
    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
    }
}

/// Whether nothing can be in the way of such a task, so that its answer is known before it is written.
fn can_wait(task: &NewTask) -> bool {
    let alone = task.unique_key.is_none() && task.series_id.is_none() && task.interval.is_none();
    alone && task.eta == Due::NOW && task.payload.bytes.len() <= SMALL
}

impl Batch<'_> {
    /// Gives a task its id, and lets it wait for others that are like it. `None` if it can't wait.
    pub(super) fn wait_for_others(
        &mut self,
        task: &NewTask,
        now: Timestamp,
    ) -> Result<Option<TaskId>, Failure> {
        if !can_wait(task) {
            return Ok(None);
        }
        let lane = match &self.alike.pattern {
            Some((pattern, lane)) if pattern.is_like(task) => *lane,
            _ => {
                self.write_alike()?;
                let lane = self.lane_of(task)?;
                let payload = Payload::new(task.payload.format, Vec::new());
                let mut pattern = task.clone();
                pattern.payload = payload;
                self.alike.pattern = Some((pattern, lane));
                lane
            }
        };
        let id = self.high_water.next(self.conn, now)?;
        let payload = task.payload.bytes.clone();
        self.alike.waiting.push(Waiting { id, now, payload });
        self.heads.touch(lane);
        Ok(Some(id))
    }

    /// Writes the tasks that wait. Whatever looks at tasks comes after it.
    pub(crate) fn write_alike(&mut self) -> Result<(), Failure> {
        let Alike { pattern, waiting } = &mut *self.alike;
        let Some((pattern, lane)) = pattern.as_ref().filter(|_| !waiting.is_empty()) else {
            return Ok(());
        };
        if waiting.len() < FEW {
            let sql = include_str!("../sql/enqueue.sql");
            let mut statement = self.conn.prepare_cached(sql)?;
            for Waiting { id, now, payload } in waiting.drain(..) {
                let mut row = new_row(pattern, id, *lane, now)?;
                row[PAYLOAD] = payload.as_slice().into();
                statement.execute(row)?;
            }
            return Ok(());
        }
        let first = &waiting[0];
        let mut row = new_row(pattern, first.id, *lane, first.now)?;
        let added = if come_in_one_go(waiting) {
            row[PAYLOAD] = as_list(waiting).into();
            let sql = include_str!("../sql/enqueue_at_once.sql");
            self.conn.prepare_cached(sql)?.execute(row)?
        } else {
            row[PAYLOAD] = as_object(waiting).into();
            let sql = include_str!("../sql/enqueue_alike.sql");
            let columns = params_from_iter(&row[..=PAYLOAD]);
            self.conn.prepare_cached(sql)?.execute(columns)?
        };
        let expected = std::mem::take(waiting).len();
        if added != expected {
            return Err(rusqlite::Error::StatementChangedRows(added).into());
        }
        Ok(())
    }
}

/// Whether they have the same time, and ids that follow each other.
fn come_in_one_go(waiting: &[Waiting]) -> bool {
    waiting.is_sorted_by(|one, next| one.now == next.now && one.id.as_i64() + 1 == next.id.as_i64())
}

/// As `enqueue_at_once.sql` wants them.
fn as_list(waiting: &[Waiting]) -> String {
    let mut list = String::from("[\"");
    for (at, one) in waiting.iter().enumerate() {
        list.push_str(if at == 0 { "" } else { "\",\"" });
        push_hex(&mut list, &one.payload);
    }
    list.push_str("\"]");
    list
}

/// As `enqueue_alike.sql` wants them.
fn as_object(waiting: &[Waiting]) -> String {
    let mut object = String::from("{");
    for (at, Waiting { id, now, payload }) in waiting.iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        // A string takes every text.
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
