//! Claims ready tasks, in the order of running across all lanes that a filter takes.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use omniq_core::storage::{ClaimFilter, ClaimRequest, Claimed, MAX_DUE_PER_CLAIM};
use omniq_core::{Error, Task, TaskError, Timestamp};
use rusqlite::{Connection, params};

use super::batch::Batch;
use crate::errors::Failure;
use crate::lane_heads::{LaneIndex, ReadyTask, read_ready};
use crate::row::{duration_to_micros, id, task, to_json, with_errors};

/// Reads the ready tasks of one lane in steps, as many as a claim turns out to need.
#[derive(Default)]
struct LaneCursor {
    /// How many tasks of the lane were selected. Until they are claimed, a query still finds them first.
    selected: usize,
    /// Tasks behind them that are already read.
    upcoming: VecDeque<ReadyTask>,
}

impl LaneCursor {
    /// Reads `more` tasks behind the selected ones, which are read again.
    fn read_more(&mut self, conn: &Connection, lane: i64, more: usize) -> Result<(), Failure> {
        let mut ready = Vec::new();
        read_ready(conn, lane, self.selected.saturating_add(more), &mut ready)?;
        self.upcoming = ready.into_iter().skip(self.selected).collect();
        Ok(())
    }
}

/// Marks waiting tasks of a lane whose eta is reached as due. Returns how many.
fn mark_due(conn: &Connection, lane: i64, now: Timestamp, limit: usize) -> Result<usize, Failure> {
    let mut statement = conn.prepare_cached(include_str!("../sql/mark_due.sql"))?;
    Ok(statement.execute(params![lane, now.as_micros(), limit as i64])?)
}

/// Selects the next ready tasks of all lanes, in the order of running.
fn select_ready(
    conn: &Connection,
    index: &mut LaneIndex,
    wanted: usize,
) -> Result<Vec<ReadyTask>, Failure> {
    let mut cursors: HashMap<i64, LaneCursor> = HashMap::new();
    let mut selected = Vec::new();
    while selected.len() < wanted
        && let Some((task, lane)) = index.first_ready()
    {
        let cursor = cursors.entry(lane).or_default();
        if cursor.upcoming.is_empty() {
            let missing = wanted - selected.len();
            // The number of tasks that are read at a time doubles, unless no other lane can provide any.
            let more = if index.has_one_ready_lane() {
                missing
            } else {
                cursor.selected + 2
            };
            cursor.read_more(conn, lane, more)?;
        }
        if cursor.upcoming.front() == Some(&task) {
            cursor.upcoming.pop_front();
            cursor.selected += 1;
            selected.push(task);
            if cursor.upcoming.is_empty() {
                cursor.read_more(conn, lane, cursor.selected + 2)?;
            }
        }
        index.set_first_ready(lane, cursor.upcoming.front().copied());
    }
    Ok(selected)
}

impl Batch<'_> {
    /// Claims the first due tasks of the lanes that the filter takes.
    pub(crate) fn claim(
        &mut self,
        request: &ClaimRequest,
        now: Timestamp,
    ) -> Result<Claimed, Failure> {
        let mut claimed = Claimed::default();
        // Runs once, except when rows had to be quarantined: there may be more tasks behind them.
        while claimed.tasks.len() < request.limit {
            let wanted = request.limit - claimed.tasks.len();
            let next = self.next_ready(&request.filter, wanted, now)?;
            let before = claimed.tasks.len();
            self.take(&next, request, now, &mut claimed.tasks)?;
            if claimed.tasks.len() - before == next.len() {
                break;
            }
        }
        if claimed.tasks.len() < request.limit {
            let index = self.lane_heads.index(&request.filter, self.lanes);
            claimed.next_due = index.next_due();
        }
        Ok(claimed)
    }

    /// Claims nothing, and returns when the next task is due. A ready task is reported as due at `request.now`,
    /// since the exact time does not matter to the claimer.
    pub(crate) fn peek(&mut self, request: &ClaimRequest) -> Result<Claimed, Failure> {
        let index = self.lane_heads.index(&request.filter, self.lanes);
        // Another connection has written, and there may be no later query that would find its change.
        index.mark_all_if_uncertain();
        index.refresh(self.conn, request.now)?;
        let is_ready = index.first_ready().is_some();
        let next_due = if is_ready {
            Some(request.now)
        } else {
            index.next_due()
        };
        Ok(Claimed::new(Vec::new(), next_due))
    }

    /// Returns the next ready tasks of all lanes, in the order of running.
    fn next_ready(
        &mut self,
        filter: &Arc<ClaimFilter>,
        wanted: usize,
        now: Timestamp,
    ) -> Result<Vec<ReadyTask>, Failure> {
        let conn = self.conn;
        let index = self.lane_heads.index(filter, self.lanes);
        index.refresh(conn, now)?;
        let mut due_limit = MAX_DUE_PER_CLAIM;
        while due_limit > 0
            && let Some(lane) = index.lane_with_due_task(now)
        {
            due_limit = due_limit.saturating_sub(mark_due(conn, lane, now, due_limit)?);
            index.refresh_lane(conn, lane)?;
        }
        let selected = select_ready(conn, index, wanted)?;
        if selected.len() < wanted && index.mark_all_if_uncertain() {
            // The claim may be parked now, so it must not miss what another connection has released.
            return self.next_ready(filter, wanted, now);
        }
        Ok(selected)
    }

    /// Claims these ready tasks. A task whose row can't be read fails, so that it does not block its lane
    /// permanently.
    ///
    /// One statement updates all of them, and one reads them: a statement for each task takes twice as long,
    /// and `RETURNING` stores each row in a temporary table.
    fn take(
        &mut self,
        ready: &[ReadyTask],
        request: &ClaimRequest,
        now: Timestamp,
        claimed: &mut Vec<Task>,
    ) -> Result<(), Failure> {
        if ready.is_empty() {
            return Ok(());
        }
        let ids: Vec<i64> = ready.iter().map(|task| task.id).collect();
        let ids = format!("{ids:?}");
        let conn = self.conn;
        let mut claim = conn.prepare_cached(include_str!("../sql/claim.sql"))?;
        let owner = request.owner.as_i64();
        let lease_for = duration_to_micros(request.lease_for);
        let taken = claim.execute(params![ids, owner, now.as_micros(), lease_for])?;
        if taken != ready.len() {
            return Err(rusqlite::Error::StatementChangedRows(taken).into());
        }
        let mut tasks = conn.prepare_cached(include_str!("../sql/get_many.sql"))?;
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
            self.quarantine(id, lease, &error, now)?;
        }
        Ok(())
    }

    /// Fails a claimed task whose row can't be read.
    fn quarantine(
        &mut self,
        number: i64,
        lease: i64,
        error: &Error,
        now: Timestamp,
    ) -> Result<(), Failure> {
        tracing::error!(error = %error.chain(), "a task's row can't be read: the task fails");
        let mut quarantine = self
            .conn
            .prepare_cached(include_str!("../sql/quarantine_row.sql"))?;
        quarantine.execute([number, now.as_micros()])?;
        let mut stored = TaskError::new("payload", error.chain().to_string()).with_retryable(false);
        stored.timestamp = now;
        let mut insert = self
            .conn
            .prepare_cached(include_str!("../sql/insert_error.sql"))?;
        insert.execute(params![number, lease, to_json(&stored)?])?;
        self.effects.finished.push(id(number)?);
        Ok(())
    }
}
