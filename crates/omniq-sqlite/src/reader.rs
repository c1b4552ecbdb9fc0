//! Executes queries on threads of their own, beside the writer.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use omniq_core::storage::{HeldLease, Hold, LaneStats, Lease, Orphan, QueueStats, TaskFilter};
use omniq_core::{OwnerId, Result, Task, TaskId, TaskStatus, Timestamp};
use omniq_writer::{Inbox, OrphanFinder, OwnedLease, no_thread};
use rusqlite::{Connection, OptionalExtension, params};

use crate::errors::{Failure, explain};
use crate::lanes::Lanes;
use crate::location::Location;
use crate::open::{self, Opened};
use crate::row::{self, duration_from_micros, with_errors};
use crate::write::hold;

/// What a query reads from.
pub(crate) struct Reader {
    pub(crate) conn: Opened,
    pub(crate) lanes: Lanes,
}

/// A query for one of the reading threads.
pub(crate) type Query = omniq_writer::Query<Reader, Failure>;

/// Starts a thread that answers queries until the inbox is closed.
pub(crate) fn spawn(location: &Location, inbox: &Arc<Inbox<Query>>) -> Result<JoinHandle<()>> {
    let mut reader = open_reader(location)?;
    let (location, inbox) = (location.clone(), inbox.clone());
    let work = move || {
        while let Some(queued) = inbox.next() {
            let mut query = queued.body;
            let result = reopen_if_replaced(&mut reader, &location)
                .and_then(|()| run_in_snapshot(&mut reader, &mut query));
            match result {
                Ok(()) => query.answer(),
                Err(Failure::Sql(e)) => query.failed(explain(location.path(), "can't be read", e)),
                Err(Failure::Refused(error)) => query.failed(error),
            }
        }
    };
    let thread = std::thread::Builder::new()
        .name("omniq-reader".into())
        .spawn(work);
    thread.map_err(|e| no_thread("reader", e))
}

fn open_reader(location: &Location) -> Result<Reader> {
    Ok(Reader {
        conn: open::reader(location)?,
        lanes: Lanes::default(),
    })
}

/// Opens the database again if its file was removed or replaced.
fn reopen_if_replaced(reader: &mut Reader, location: &Location) -> Result<(), Failure> {
    if reader.conn.check().is_err() {
        *reader = open_reader(location)?;
    }
    Ok(())
}

/// Runs a query in one transaction, so that it reads one state of the database.
fn run_in_snapshot(reader: &mut Reader, query: &mut Query) -> Result<(), Failure> {
    reader.conn.execute_batch("BEGIN")?;
    let result = reader
        .lanes
        .refresh(&reader.conn)
        .and_then(|()| query.run(reader));
    // The transaction has only read, so a rollback ends it as well as a commit.
    let ended = reader.conn.execute_batch("ROLLBACK");
    result?;
    Ok(ended?)
}

/// Leaves out a row that can't be read, so that it does not hide the other rows of a list.
fn skip_unreadable(found: Result<Option<Task>, Failure>) -> Result<Option<Task>, Failure> {
    match found {
        Err(Failure::Refused(error)) => {
            tracing::warn!(error = %error.chain(), "a task is left out of a list");
            Ok(None)
        }
        other => other,
    }
}

fn get_one(conn: &Connection, lanes: &Lanes, id: i64) -> Result<Option<Task>, Failure> {
    let mut statement = conn.prepare_cached(include_str!("sql/get.sql"))?;
    let mut rows = statement.query([id])?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    with_errors(conn, row::task(row, lanes)?).map(Some)
}

pub(crate) fn get(
    conn: &Connection,
    lanes: &Lanes,
    ids: &[TaskId],
) -> Result<Vec<Option<Task>>, Failure> {
    ids.iter()
        .map(|id| get_one(conn, lanes, id.as_i64()))
        .collect()
}

/// Returns the ids whose tasks have finished or do not exist.
///
/// One statement reads all of them: one statement for each takes three times as long.
pub(crate) fn finished(conn: &Connection, ids: &[TaskId]) -> Result<Vec<TaskId>, Failure> {
    let numbers: Vec<i64> = ids.iter().map(|id| id.as_i64()).collect();
    let mut statement = conn.prepare_cached(include_str!("sql/finished_or_unknown.sql"))?;
    let mut rows = statement.query([format!("{numbers:?}")])?;
    let mut finished = Vec::new();
    while let Some(row) = rows.next()? {
        finished.push(row::id(row.get(0)?)?);
    }
    Ok(finished)
}

pub(crate) fn held(conn: &Connection, leases: &[Lease]) -> Result<Vec<Hold>, Failure> {
    let mut statement = conn.prepare_cached(include_str!("sql/status_if_held.sql"))?;
    let mut held = |lease: &Lease| {
        let row = [lease.id.as_i64(), lease.number.cast_signed()];
        Ok(hold(statement.query_row(row, |row| row.get(0)).optional()?))
    };
    leases.iter().map(&mut held).collect()
}

pub(crate) fn list(
    conn: &Connection,
    lanes: &Lanes,
    filter: &TaskFilter,
) -> Result<Vec<Task>, Failure> {
    let mut statement = conn.prepare_cached(include_str!("sql/list.sql"))?;
    let mut rows = statement.query(params![
        filter.after.map_or(0, TaskId::as_i64),
        filter.queue,
        filter.name,
        filter.status.map(TaskStatus::code),
        filter.limit,
    ])?;
    let mut tasks = Vec::new();
    while let Some(row) = rows.next()? {
        let task = row::task(row, lanes).and_then(|task| with_errors(conn, task));
        tasks.extend(skip_unreadable(task.map(Some))?);
    }
    Ok(tasks)
}

pub(crate) fn stats(
    conn: &Connection,
    lanes: &Lanes,
    now: Timestamp,
) -> Result<Vec<LaneStats>, Failure> {
    let mut by_lane = HashMap::<i64, QueueStats>::new();
    let mut statement = conn.prepare_cached(include_str!("sql/stats.sql"))?;
    let mut rows = statement.query([now.as_micros()])?;
    while let Some(row) = rows.next()? {
        let counts = by_lane.entry(row.get(0)?).or_default();
        let number: u64 = row.get::<_, i64>(2)?.unsigned_abs();
        match row.get::<_, u8>(1).map(TaskStatus::from_code)? {
            Some(TaskStatus::Pending) => {
                counts.pending = number;
                counts.scheduled = row.get::<_, i64>(3)?.unsigned_abs();
            }
            Some(TaskStatus::Running) => counts.running = number,
            Some(TaskStatus::Success) => counts.success = number,
            Some(TaskStatus::Failed) => counts.failed = number,
            _ => counts.cancelled = number,
        }
    }
    let mut stats = Vec::with_capacity(by_lane.len());
    for (number, counts) in by_lane {
        let Some(lane) = lanes.get(number).cloned() else {
            continue;
        };
        stats.push(LaneStats::new(lane.queue, lane.name, lane.format, counts));
    }
    LaneStats::sort(&mut stats);
    Ok(stats)
}

/// Returns tasks whose owner is dead, or whose lease was seen unrenewed for its full length.
pub(crate) fn orphans(
    conn: &Connection,
    lanes: &Lanes,
    orphan_finder: &OrphanFinder,
    monotonic: Duration,
    limit: usize,
) -> Result<Vec<Orphan>, Failure> {
    let found = orphan_finder.find(&held_leases(conn)?, monotonic, limit);
    let mut orphans = Vec::with_capacity(found.len());
    for orphan in found {
        if let Some(task) = skip_unreadable(get_one(conn, lanes, orphan.lease.id.as_i64()))? {
            orphans.push(Orphan::new(task, orphan.reason, orphan.started));
        }
    }
    Ok(orphans)
}

fn held_leases(conn: &Connection) -> Result<Vec<OwnedLease>, Failure> {
    let mut statement = conn.prepare_cached(include_str!("sql/held_leases.sql"))?;
    let mut rows = statement.query([])?;
    let mut held = Vec::new();
    while let Some(row) = rows.next()? {
        let id = row::id(row.get(0)?)?;
        let number = row.get::<_, i64>(1)?.unsigned_abs();
        let beats = row.get::<_, i64>(2)?.unsigned_abs();
        let lease_for = duration_from_micros(row.get(3)?);
        if let Some(owner) = OwnerId::from_i64(row.get(4)?) {
            let lease = HeldLease::new(Lease::new(id, number), beats, lease_for);
            held.push(OwnedLease { lease, owner });
        }
    }
    Ok(held)
}
