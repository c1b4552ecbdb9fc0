use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use omniq_core::storage::{ClaimFilter, ClaimRequest, Claimed, MAX_DUE_PER_CLAIM};
use omniq_core::{Error, Task, TaskError, Timestamp};
use rusqlite::{Connection, params};

use super::Batch;
use crate::heads::{Head, ready};
use crate::row::{id, json_in, span_in, task, with_errors};
use crate::trouble::Failure;

/// The tasks of one lane that a claim reads, as many as it turns out to need.
#[derive(Default)]
struct Line {
    taken: usize,
    rest: VecDeque<Head>,
}

impl Line {
    /// Reads some more behind those taken, which stand there until they are claimed. Twice as many each time:
    /// the first are read again.
    fn read_on(&mut self, conn: &Connection, lane: i64, more: usize) -> Result<(), Failure> {
        let mut heads = Vec::new();
        ready(conn, lane, self.taken.saturating_add(more), &mut heads)?;
        self.rest = heads.into_iter().skip(self.taken).collect();
        Ok(())
    }
}

/// Moves what has come due over to the ready ones; says how many.
fn come_due(conn: &Connection, lane: i64, now: Timestamp, limit: usize) -> Result<usize, Failure> {
    let mut statement = conn.prepare_cached(include_str!("../sql/come_due.sql"))?;
    Ok(statement.execute(params![lane, now.as_micros(), limit as i64])?)
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
            let next = self.next(&request.filter, wanted, now)?;
            let before = claimed.tasks.len();
            self.take(&next, request, now, &mut claimed.tasks)?;
            if claimed.tasks.len() - before == next.len() {
                break;
            }
        }
        if claimed.tasks.len() < request.limit {
            let board = self.heads.board(&request.filter, self.lanes);
            claimed.next_due = board.next_due();
        }
        Ok(claimed)
    }

    /// Takes nothing. If there is a task that is ready, it was due when the claim was made, for all that the
    /// claimer has to know.
    pub(crate) fn peek(&mut self, request: &ClaimRequest) -> Result<Claimed, Failure> {
        let board = self.heads.board(&request.filter, self.lanes);
        // It is asked because others wrote, and nobody may ask again.
        board.doubt_all_if_unsure();
        board.look(self.conn, request.now)?;
        let is_ready = board.first().is_some();
        let next_due = if is_ready {
            Some(request.now)
        } else {
            board.next_due()
        };
        Ok(Claimed::new(Vec::new(), next_due))
    }

    /// The next tasks of all lanes, in the order of running.
    fn next(
        &mut self,
        filter: &Arc<ClaimFilter>,
        wanted: usize,
        now: Timestamp,
    ) -> Result<Vec<Head>, Failure> {
        let conn = self.conn;
        let board = self.heads.board(filter, self.lanes);
        board.look(conn, now)?;
        let mut may_come = MAX_DUE_PER_CLAIM;
        while may_come > 0
            && let Some(lane) = board.has_come_due(now)
        {
            may_come = may_come.saturating_sub(come_due(conn, lane, now, may_come)?);
            board.look_at(conn, lane)?;
        }
        let mut lines: HashMap<i64, Line> = HashMap::new();
        let mut next = Vec::new();
        while next.len() < wanted
            && let Some((head, lane)) = board.first()
        {
            let line = lines.entry(lane).or_default();
            if line.rest.is_empty() {
                let left = wanted - next.len();
                let more = if board.is_single() {
                    left
                } else {
                    line.taken + 2
                };
                line.read_on(conn, lane, more)?;
            }
            if line.rest.front() == Some(&head) {
                line.rest.pop_front();
                line.taken += 1;
                next.push(head);
                if line.rest.is_empty() {
                    line.read_on(conn, lane, line.taken + 2)?;
                }
            }
            board.set_head(lane, line.rest.front().copied());
        }
        if next.len() < wanted && board.doubt_all_if_unsure() {
            // A claim that may sleep now must not have missed what others gave back.
            return self.next(filter, wanted, now);
        }
        Ok(next)
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
