//! Renews leases and records progress, both only while the lease is held.

use std::time::Duration;

use omniq_core::storage::{Hold, Lease, ProgressUpdate};
use omniq_core::{TaskStatus, Timestamp};
use rusqlite::{OptionalExtension, params};

use super::batch::Batch;
use crate::errors::Failure;
use crate::row::duration_to_micros;

impl Batch<'_> {
    /// Renews a lease, if it is still held.
    pub(crate) fn renew(&mut self, lease: Lease, lease_for: Duration) -> Result<Hold, Failure> {
        let mut statement = self.conn.prepare_cached(include_str!("../sql/renew.sql"))?;
        let number = lease.number.cast_signed();
        let row = params![lease.id.as_i64(), number, duration_to_micros(lease_for)];
        let status: Option<u8> = statement.query_row(row, |row| row.get(0)).optional()?;
        Ok(hold(status))
    }

    /// Records a task's progress, if its lease is still held. Returns whether it was.
    pub(crate) fn record_progress(
        &mut self,
        update: &ProgressUpdate,
        now: Timestamp,
    ) -> Result<bool, Failure> {
        let mut statement = self
            .conn
            .prepare_cached(include_str!("../sql/record_progress.sql"))?;
        let changed = statement.execute(params![
            update.lease.id.as_i64(),
            update.lease.number.cast_signed(),
            update.fraction,
            update.message,
            now.as_micros(),
        ])?;
        Ok(changed == 1)
    }
}

/// Returns the state of a lease, given the status of its row, or `None` if nobody holds the lease.
pub(crate) fn hold(status: Option<u8>) -> Hold {
    match status.and_then(TaskStatus::from_code) {
        Some(TaskStatus::Running) => Hold::Held,
        Some(TaskStatus::Cancelled) => Hold::Cancelled,
        _ => Hold::Lost,
    }
}
