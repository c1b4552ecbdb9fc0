use omniq_core::storage::{ClaimRequest, Claimed};
use omniq_core::{Error, Task, TaskError, Timestamp};
use rusqlite::{OptionalExtension, params};

use super::Batch;
use crate::row::{id, json_in, span_in, task, with_errors};
use crate::trouble::Failure;

/// How many waiting tasks of a lane one claim makes due.
const COMING_DUE: i64 = 1_000;

/// A ready task, as the order of running sees it.
struct Head {
    id: i64,
    priority: i64,
    eta: i64,
}

impl Batch<'_> {
    /// Takes the first due tasks of the lanes that the filter takes.
    pub(crate) fn claim(
        &mut self,
        request: &ClaimRequest,
        now: Timestamp,
    ) -> Result<Claimed, Failure> {
        let mut claimed = Claimed::default();
        // Once, but for rows that had to be set aside: others may stand behind them.
        while claimed.tasks.len() < request.limit {
            let wanted = request.limit - claimed.tasks.len();
            let lanes = self.lanes.matching(&request.filter);
            let heads = self.heads(&lanes, wanted, now, &mut claimed)?;
            let before = claimed.tasks.len();
            self.take(&heads, request, now, &mut claimed.tasks)?;
            if claimed.tasks.len() - before == heads.len() {
                break;
            }
        }
        if claimed.tasks.len() == request.limit {
            claimed.next_due = None;
        }
        Ok(claimed)
    }

    /// The first ready tasks of these lanes; also notes when the next waiting one is due.
    fn heads(
        &self,
        lanes: &[i64],
        limit: usize,
        now: Timestamp,
        claimed: &mut Claimed,
    ) -> Result<Vec<Head>, Failure> {
        let mut heads = Vec::new();
        claimed.next_due = None;
        for lane in lanes {
            let waiting = self.come_due(*lane, now)?;
            claimed.next_due = claimed.next_due.into_iter().chain(waiting).min();
            self.ready(*lane, limit, &mut heads)?;
        }
        if lanes.len() > 1 {
            heads.sort_unstable_by_key(|h| (std::cmp::Reverse(h.priority), h.eta, h.id));
            heads.truncate(limit);
        }
        Ok(heads)
    }

    /// Takes nothing. If there is a task that is ready, it was due when the claim was made, for all that the
    /// claimer has to know.
    pub(crate) fn peek(&mut self, request: &ClaimRequest) -> Result<Claimed, Failure> {
        let mut claimed = Claimed::default();
        let mut heads = Vec::new();
        for lane in &*self.lanes.matching(&request.filter) {
            self.ready(*lane, 1, &mut heads)?;
            let waiting = self.next_waiting(*lane)?;
            claimed.next_due = claimed.next_due.into_iter().chain(waiting).min();
        }
        if !heads.is_empty() {
            claimed.next_due = Some(request.now);
        }
        Ok(claimed)
    }

    /// Moves what has come due over to the ready ones; says when the next of the lane is due.
    fn come_due(&self, lane: i64, now: Timestamp) -> Result<Option<Timestamp>, Failure> {
        let waiting = self.next_waiting(lane)?;
        if waiting.is_none_or(|eta| eta > now) {
            return Ok(waiting);
        }
        let mut come_due = self
            .conn
            .prepare_cached(include_str!("../sql/come_due.sql"))?;
        come_due.execute(params![lane, now.as_micros(), COMING_DUE])?;
        self.next_waiting(lane)
    }

    fn next_waiting(&self, lane: i64) -> Result<Option<Timestamp>, Failure> {
        let mut statement = self
            .conn
            .prepare_cached(include_str!("../sql/next_waiting.sql"))?;
        let eta = statement.query_row([lane], |row| row.get(0)).optional()?;
        Ok(eta.map(Timestamp))
    }

    fn ready(&self, lane: i64, limit: usize, heads: &mut Vec<Head>) -> Result<(), Failure> {
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

    /// Claims these ready tasks. A row that can't be read fails, so that it does not stand in the way of its
    /// lane for good.
    ///
    /// One statement updates all of them, and one reads them: a statement for each task takes twice as long,
    /// and `RETURNING` keeps each row in a table of its own.
    fn take(
        &mut self,
        heads: &[Head],
        request: &ClaimRequest,
        now: Timestamp,
        claimed: &mut Vec<Task>,
    ) -> Result<(), Failure> {
        if heads.is_empty() {
            return Ok(());
        }
        let ids: Vec<i64> = heads.iter().map(|head| head.id).collect();
        let ids = format!("{ids:?}");
        let conn = self.conn;
        let mut claim = conn.prepare_cached(include_str!("../sql/claim.sql"))?;
        let (owner, lease_for) = (request.owner.as_i64(), span_in(request.lease_for));
        let taken = claim.execute(params![ids, owner, now.as_micros(), lease_for])?;
        if taken != heads.len() {
            return Err(rusqlite::Error::StatementChangedRows(taken).into());
        }
        let mut tasks = conn.prepare_cached(include_str!("../sql/tasks.sql"))?;
        let mut rows = tasks.query([ids])?;
        let mut unreadable = Vec::new();
        while let Some(row) = rows.next()? {
            match task(row, self.lanes).and_then(|task| with_errors(conn, task)) {
                Err(Failure::Refused(error)) => unreadable.push((row.get(0)?, row.get(13)?, error)),
                task => claimed.push(task?),
            }
        }
        drop(rows);
        for (id, lease, error) in unreadable {
            self.set_aside(id, lease, &error, now)?;
        }
        Ok(())
    }

    fn set_aside(
        &mut self,
        number: i64,
        lease: i64,
        error: &Error,
        now: Timestamp,
    ) -> Result<(), Failure> {
        tracing::error!(%error, "a task's row can't be read: the task fails");
        let mut aside = self
            .conn
            .prepare_cached(include_str!("../sql/set_aside.sql"))?;
        aside.execute([number, now.as_micros()])?;
        let mut kept = TaskError::new("payload", error.to_string()).with_retryable(false);
        kept.timestamp = now;
        let mut keep = self
            .conn
            .prepare_cached(include_str!("../sql/keep_error.sql"))?;
        keep.execute(params![number, lease, json_in(&kept)?])?;
        self.effects.finished.push(id(number)?);
        Ok(())
    }
}
