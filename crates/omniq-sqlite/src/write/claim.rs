use omniq_core::storage::{ClaimRequest, Claimed};
use omniq_core::{Task, Timestamp};
use rusqlite::{OptionalExtension, params};

use super::Batch;
use crate::row::{span_in, task, with_errors};
use crate::trouble::Failure;

/// How many waiting tasks of a lane one claim makes due.
const COMING_DUE: i64 = 1_000;

/// A ready task, as the order of running sees it.
struct Head {
    id: i64,
    priority: i32,
    eta: i64,
}

impl Batch<'_> {
    /// Takes the first due tasks of the lanes that the filter takes.
    pub(crate) fn claim(
        &mut self,
        request: &ClaimRequest,
        now: Timestamp,
    ) -> Result<Claimed, Failure> {
        if request.limit == 0 {
            return Ok(Claimed::default());
        }
        let lanes = self.lanes.matching(&request.filter);
        let mut next_due: Option<Timestamp> = None;
        let mut heads = Vec::new();
        for lane in lanes.iter() {
            let waiting = self.come_due(*lane, now)?;
            next_due = next_due.into_iter().chain(waiting).min();
            self.heads(*lane, request.limit, &mut heads)?;
        }
        if lanes.len() > 1 {
            heads.sort_unstable_by_key(|h| (std::cmp::Reverse(h.priority), h.eta, h.id));
            heads.truncate(request.limit);
        }
        let take = |head: &Head| self.take(head.id, request, now);
        let tasks = heads.iter().map(take).collect::<Result<Vec<_>, _>>()?;
        let next_due = next_due.filter(|_| tasks.len() < request.limit);
        Ok(Claimed { tasks, next_due })
    }

    /// Moves what has come due over to the ready ones; says when the next of the lane is due.
    fn come_due(&self, lane: i64, now: Timestamp) -> Result<Option<Timestamp>, Failure> {
        let mut next = self
            .conn
            .prepare_cached(include_str!("../sql/next_waiting.sql"))?;
        let mut next = || {
            next.query_row([lane], |row| row.get(0))
                .optional()
                .map(|eta| eta.map(Timestamp))
        };
        let waiting = next()?;
        if waiting.is_none_or(|eta| eta > now) {
            return Ok(waiting);
        }
        let mut come_due = self
            .conn
            .prepare_cached(include_str!("../sql/come_due.sql"))?;
        come_due.execute(params![lane, now.as_micros(), COMING_DUE])?;
        Ok(next()?)
    }

    fn heads(&self, lane: i64, limit: usize, heads: &mut Vec<Head>) -> Result<(), Failure> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut statement = self.conn.prepare_cached(include_str!("../sql/ready.sql"))?;
        let mut rows = statement.query([lane, limit])?;
        while let Some(row) = rows.next()? {
            heads.push(Head {
                id: row.get(0)?,
                priority: row.get(1)?,
                eta: row.get(2)?,
            });
        }
        Ok(())
    }

    fn take(&self, id: i64, request: &ClaimRequest, now: Timestamp) -> Result<Task, Failure> {
        let mut statement = self.conn.prepare_cached(include_str!("../sql/claim.sql"))?;
        let mut rows = statement.query(params![
            id,
            request.owner.as_i64(),
            now.as_micros(),
            span_in(request.lease_for)
        ])?;
        let row = rows.next()?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
        with_errors(self.conn, task(row, self.lanes)?)
    }
}
