//! What the writer does inside a batch's transaction, one file an operation.

mod alike;
mod claim;
mod enqueue;
mod purge;
mod settle;

pub(crate) use alike::Alike;
#[cfg(feature = "sqlx")]
pub(crate) use settle::moved;

use std::time::Duration;

use omniq_core::storage::Effects;
use omniq_core::storage::{Hold, Lease, ProgressUpdate};
use omniq_core::{TaskStatus, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

use crate::heads::Heads;
use crate::ids::HighWater;
use crate::lanes::Lanes;
use crate::row::span_in;
use crate::trouble::Failure;

/// A transaction that several commands share, and what it will have changed.
pub(crate) struct Batch<'a> {
    pub(crate) conn: &'a Connection,
    pub(crate) lanes: &'a mut Lanes,
    pub(crate) heads: &'a mut Heads,
    pub(crate) high_water: &'a mut HighWater,
    pub(crate) alike: &'a mut Alike,
    pub(crate) effects: &'a mut Effects,
}

impl Batch<'_> {
    /// Prolongs a lease, where it is still held.
    pub(crate) fn renew(&mut self, lease: Lease, lease_for: Duration) -> Result<Hold, Failure> {
        let mut statement = self.conn.prepare_cached(include_str!("../sql/renew.sql"))?;
        let number = lease.number.cast_signed();
        let row = params![lease.id.as_i64(), number, span_in(lease_for)];
        let status: Option<u8> = statement.query_row(row, |row| row.get(0)).optional()?;
        Ok(hold(status))
    }

    /// Keeps how far a task is, where its lease is still held; says whether it was.
    pub(crate) fn record_progress(
        &mut self,
        note: &ProgressUpdate,
        now: Timestamp,
    ) -> Result<bool, Failure> {
        let mut statement = self.conn.prepare_cached(include_str!("../sql/note.sql"))?;
        let changed = statement.execute(params![
            note.lease.id.as_i64(),
            note.lease.number.cast_signed(),
            note.fraction,
            note.message,
            now.as_micros(),
        ])?;
        Ok(changed == 1)
    }
}

/// What the status of a row that still has an owner says about its lease.
pub(crate) fn hold(status: Option<u8>) -> Hold {
    match status.and_then(TaskStatus::from_code) {
        Some(TaskStatus::Running) => Hold::Held,
        Some(TaskStatus::Cancelled) => Hold::Cancelled,
        _ => Hold::Lost,
    }
}
