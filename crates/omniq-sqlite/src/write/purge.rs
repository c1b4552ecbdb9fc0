//! Deletes old finished tasks.

use omniq_core::storage::PurgeRequest;
use rusqlite::params;

use super::batch::Batch;
use crate::errors::Failure;

impl Batch<'_> {
    /// Deletes the oldest finished tasks that no owner holds. Returns how many.
    pub(crate) fn purge(&mut self, request: &PurgeRequest) -> Result<u64, Failure> {
        let until = request.now.before(request.older_than).as_micros();
        let limit = i64::try_from(request.limit).unwrap_or(i64::MAX);
        let mut old: Vec<(i64, i64)> = Vec::new();
        let mut purgeable = self
            .conn
            .prepare_cached(include_str!("../sql/purgeable.sql"))?;
        for status in request
            .statuses
            .iter()
            .filter(|status| status.is_finished())
        {
            let mut rows = purgeable.query(params![status.code(), until, limit])?;
            while let Some(row) = rows.next()? {
                old.push((row.get(1)?, row.get(0)?));
            }
        }
        old.sort_unstable();
        old.dedup();
        old.truncate(request.limit);
        let mut delete_task = self
            .conn
            .prepare_cached(include_str!("../sql/delete_task.sql"))?;
        let mut delete_errors = self
            .conn
            .prepare_cached(include_str!("../sql/delete_errors.sql"))?;
        let mut deleted = 0;
        for (_, id) in old {
            deleted += delete_task.execute([id])? as u64;
            delete_errors.execute([id])?;
        }
        Ok(deleted)
    }
}
