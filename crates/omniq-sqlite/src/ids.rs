//! Assigns task ids: the high bits are a time, and each id is larger than every id before it.

use omniq_core::{Error, ErrorKind, TaskId, Timestamp};
use rusqlite::Connection;

use crate::errors::Failure;

/// The low bits count the ids within a millisecond.
const COUNT_BITS: u32 = 21;

/// The largest millisecond that the 42 bits of time can hold, in the year 2109.
const LAST_MILLI: i64 = (1 << (63 - COUNT_BITS)) - 1;

/// Returns the next id at this time, given the largest id that was assigned.
pub(crate) fn after(last: i64, now: Timestamp) -> Result<TaskId, Failure> {
    let milli = (now.as_micros() / 1000).clamp(0, LAST_MILLI);
    let next = last.checked_add(1);
    let id = next.map(|next| next.max(milli << COUNT_BITS));
    id.and_then(TaskId::from_i64).ok_or_else(|| {
        let text = "all ids are used up: start a new database";
        Error::new(ErrorKind::Storage, text).into()
    })
}

/// The largest id that was ever assigned. It is read and raised under the write lock.
#[derive(Default)]
pub(crate) struct HighWater {
    last: Option<i64>,
    raised: bool,
}

impl HighWater {
    /// Reads the largest id from the database.
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

    /// Returns the largest id, if it was read.
    pub(crate) fn known(&self) -> Option<i64> {
        self.last
    }

    /// Assigns the next id.
    pub(crate) fn next(&mut self, conn: &Connection, now: Timestamp) -> Result<TaskId, Failure> {
        let last = self.last(conn)?;
        let id = after(last, now)?;
        self.last = Some(id.as_i64());
        self.raised = true;
        Ok(id)
    }

    /// Writes the largest id, if a new one was assigned.
    pub(crate) fn save(&mut self, conn: &Connection) -> Result<(), Failure> {
        let raised = std::mem::take(&mut self.raised);
        if let Some(last) = self.last
            && raised
        {
            conn.prepare_cached(include_str!("sql/raise_high_water.sql"))?
                .execute([last])?;
        }
        Ok(())
    }
}
