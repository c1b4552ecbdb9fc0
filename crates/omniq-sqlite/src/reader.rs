//! Looking: what only reads runs on threads of its own, beside the writer.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use omniq_core::storage::{HeldLease, Hold, LaneStats, Lease, Orphan, QueueStats, TaskFilter};
use omniq_core::{OwnerId, Result, Task, TaskId, TaskStatus, Timestamp};
use omniq_writer::{Inbox, OrphanFinder, OwnedLease, no_thread};
use rusqlite::{Connection, OptionalExtension, params};

use crate::lanes::Lanes;
use crate::open::{self, Opened};
use crate::row::{self, span_out, with_errors};
use crate::trouble::{Failure, Place, explain};
use crate::write::hold;

/// What a question looks through.
pub(crate) struct Reader {
    pub(crate) conn: Opened,
    pub(crate) lanes: Lanes,
}

/// A question to a thread that looks.
pub(crate) type Query = omniq_writer::Query<Reader, Failure>;

/// Starts a thread that answers questions until the inbox is closed.
pub(crate) fn spawn(place: &Place, inbox: &Arc<Inbox<Query>>) -> Result<JoinHandle<()>> {
    let mut reader = open_reader(place)?;
    let (place, inbox) = (place.clone(), inbox.clone());
    let work = move || {
        while let Some(letter) = inbox.next() {
            let mut look = letter.body;
            match in_place(&mut reader, &place).and_then(|()| consistently(&mut reader, &mut look))
            {
                Ok(()) => look.answer(),
                Err(Failure::Sql(e)) => look.failed(explain(place.path(), "can't be read", &e)),
                Err(Failure::Refused(error)) => look.failed(error),
            }
        }
    };
    let thread = std::thread::Builder::new()
        .name("omniq-reader".into())
        .spawn(work);
    thread.map_err(|e| no_thread("reader", e))
}

fn open_reader(place: &Place) -> Result<Reader> {
    Ok(Reader {
        conn: open::reader(place)?,
        lanes: Lanes::default(),
    })
}

/// Looks into the file that is there, not into one that was removed.
fn in_place(reader: &mut Reader, place: &Place) -> Result<(), Failure> {
    if reader.conn.check().is_err() {
        *reader = open_reader(place)?;
    }
    Ok(())
}

/// All that a question reads comes from one moment.
fn consistently(reader: &mut Reader, look: &mut Query) -> Result<(), Failure> {
    reader.conn.execute_batch("BEGIN")?;
    let found = reader
        .lanes
        .refresh(&reader.conn)
        .and_then(|()| look.run(reader));
    // It has read only, so that how it ends makes no difference.
    let ended = reader.conn.execute_batch("ROLLBACK");
    found?;
    Ok(ended?)
}

/// One unreadable row must not hide the others from whoever looks at many.
fn readable(found: Result<Option<Task>, Failure>) -> Result<Option<Task>, Failure> {
    match found {
        Err(Failure::Refused(error)) => {
            tracing::warn!(%error, "a task is left out");
            Ok(None)
        }
        other => other,
    }
}

fn one(conn: &Connection, lanes: &Lanes, id: i64) -> Result<Option<Task>, Failure> {
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
    ids.iter().map(|id| one(conn, lanes, id.as_i64())).collect()
}

/// One statement for all: a reader that goes through them one by one takes three times as long.
pub(crate) fn finished(conn: &Connection, ids: &[TaskId]) -> Result<Vec<TaskId>, Failure> {
    let numbers: Vec<i64> = ids.iter().map(|id| id.as_i64()).collect();
    let mut statement = conn.prepare_cached(include_str!("sql/finished.sql"))?;
    let mut rows = statement.query([format!("{numbers:?}")])?;
    let mut finished = Vec::new();
    while let Some(row) = rows.next()? {
        finished.push(row::id(row.get(0)?)?);
    }
    Ok(finished)
}

pub(crate) fn held(conn: &Connection, leases: &[Lease]) -> Result<Vec<Hold>, Failure> {
    let mut statement = conn.prepare_cached(include_str!("sql/held.sql"))?;
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
        tasks.extend(readable(task.map(Some))?);
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

/// Tasks whose owner is gone, or whose lease was seen unrenewed for its full length.
pub(crate) fn orphans(
    conn: &Connection,
    lanes: &Lanes,
    orphan_finder: &OrphanFinder,
    monotonic: Duration,
    limit: usize,
) -> Result<Vec<Orphan>, Failure> {
    let lost = orphan_finder.find(&held_leases(conn)?, monotonic, limit);
    let mut orphans = Vec::with_capacity(lost.len());
    for lost in lost {
        if let Some(task) = readable(one(conn, lanes, lost.lease.id.as_i64()))? {
            orphans.push(Orphan::new(task, lost.reason, lost.started));
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
        let lease_for = span_out(row.get(3)?);
        if let Some(owner) = OwnerId::from_i64(row.get(4)?) {
            let lease = HeldLease::new(Lease::new(id, number), beats, lease_for);
            held.push(OwnedLease { lease, owner });
        }
    }
    Ok(held)
}
