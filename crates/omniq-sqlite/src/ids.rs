//! Ids: time in the high bits, always larger than the last one given.

use omniq_core::{Error, ErrorKind, TaskId, Timestamp};
use rusqlite::Connection;

use crate::trouble::Failure;

/// The low bits count within a millisecond.
const COUNT_BITS: u32 = 21;

/// The largest millisecond that the 42 bits of time hold, in the year 2109.
const LAST_MILLI: i64 = (1 << (63 - COUNT_BITS)) - 1;

/// The id after the largest that was given, at this time.
pub(crate) fn after(last: i64, now: Timestamp) -> Result<TaskId, Failure> {
    let milli = (now.as_micros() / 1000).clamp(0, LAST_MILLI);
    let next = last.checked_add(1);
    let id = next.map(|next| next.max(milli << COUNT_BITS));
    id.and_then(TaskId::from_i64).ok_or_else(|| {
        let text = "every id was given: start a new database";
        Error::new(ErrorKind::Storage, text).into()
    })
}

/// The largest id ever given, as this process knows it under the write lock.
#[derive(Default)]
pub(crate) struct HighWater {
    last: Option<i64>,
    raised: bool,
}

impl HighWater {
    /// The largest id ever given.
    pub(crate) fn read(conn: &Connection) -> Result<Self, Failure> {
        let mut high_water = Self::default();
        high_water.last(conn)?;
        Ok(high_water)
    }

    fn last(&mut self, conn: &Connection) -> Result<i64, Failure> {
        if let Some(last) = self.last {
            return Ok(last);
        }
        let mut statement = conn.prepare_cached(include_str!("sql/high_water.sql"))?;
        let last = statement.query_row([], |row| row.get(0))?;
        self.last = Some(last);
        Ok(last)
    }

    /// The largest id, where it is known.
    pub(crate) fn known(&self) -> Option<i64> {
        self.last
    }

    /// The next id.
    pub(crate) fn next(&mut self, conn: &Connection, now: Timestamp) -> Result<TaskId, Failure> {
        let last = self.last(conn)?;
        let id = after(last, now)?;
        self.last = Some(id.as_i64());
        self.raised = true;
        Ok(id)
    }

    /// Writes the largest id given, where there is a new one.
    pub(crate) fn save(&mut self, conn: &Connection) -> Result<(), Failure> {
        if let Some(last) = self.last.filter(|_| std::mem::take(&mut self.raised)) {
            conn.prepare_cached(include_str!("sql/raise_high_water.sql"))?
                .execute([last])?;
        }
        Ok(())
    }
}
