//! Looking: what only reads runs on threads of its own, beside the writer.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use omniq_core::storage::{
    HeldLease, Hold, LaneStats, Lease, LeaseWatch, Orphan, OrphanReason, QueueStats, TaskFilter,
};
use omniq_core::{Error, OwnerId, Result, Task, TaskId, TaskStatus, Timestamp};
use omniq_local::Started;
use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::oneshot;

use crate::inbox::Inbox;
use crate::lanes::Lanes;
use crate::local::Local;
use crate::open::{self, Opened};
use crate::row::{self, span_out, with_errors};
use crate::trouble::{Failure, Place, explain};
use crate::write::hold;

/// A question, and whom to answer.
pub(crate) struct Look(Box<dyn Ask>);

trait Ask: Send {
    fn run(&mut self, conn: &Connection, lanes: &mut Lanes) -> Result<(), Failure>;
    fn answer(self: Box<Self>, failure: Option<Error>);
}

struct Question<F, T> {
    ask: F,
    found: Option<T>,
    reply: oneshot::Sender<Result<T>>,
}

impl<F, T> Ask for Question<F, T>
where
    F: FnMut(&Connection, &mut Lanes) -> Result<T, Failure> + Send,
    T: Send,
{
    fn run(&mut self, conn: &Connection, lanes: &mut Lanes) -> Result<(), Failure> {
        self.found = Some((self.ask)(conn, lanes)?);
        Ok(())
    }

    // A caller that went away needs no answer: sending to it is allowed to fail.
    fn answer(self: Box<Self>, failure: Option<Error>) {
        let _ = match (failure, self.found) {
            (Some(error), _) => self.reply.send(Err(error)),
            (None, Some(found)) => self.reply.send(Ok(found)),
            (None, None) => Ok(()),
        };
    }
}

impl Look {
    pub(crate) fn new<T, F>(ask: F) -> (Self, oneshot::Receiver<Result<T>>)
    where
        F: FnMut(&Connection, &mut Lanes) -> Result<T, Failure> + Send + 'static,
        T: Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        (
            Self(Box::new(Question {
                ask,
                found: None,
                reply,
            })),
            answer,
        )
    }

    pub(crate) fn run(&mut self, conn: &Connection, lanes: &mut Lanes) -> Result<(), Failure> {
        self.0.run(conn, lanes)
    }

    pub(crate) fn answer(self) {
        self.0.answer(None);
    }

    pub(crate) fn failed(self, error: Error) {
        self.0.answer(Some(error));
    }
}

/// Starts a thread that answers questions until the inbox is closed.
pub(crate) fn spawn(place: &Place, inbox: &Arc<Inbox<Look>>) -> Result<JoinHandle<()>> {
    let mut conn = open::reader(place)?;
    let (place, inbox) = (place.clone(), inbox.clone());
    let work = move || {
        let mut lanes = Lanes::default();
        while let Some(letter) = inbox.next() {
            let mut look = letter.body;
            match in_place(&mut conn, &mut lanes, &place)
                .and_then(|()| consistently(&conn, &mut lanes, &mut look))
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
    thread.map_err(|e| crate::no_thread("reader", e))
}

/// Looks into the file that is there, not into one that was removed.
fn in_place(conn: &mut Opened, lanes: &mut Lanes, place: &Place) -> Result<(), Failure> {
    if conn.check().is_err() {
        *conn = open::reader(place)?;
        *lanes = Lanes::default();
    }
    Ok(())
}

/// All that a question reads comes from one moment.
fn consistently(conn: &Connection, lanes: &mut Lanes, look: &mut Look) -> Result<(), Failure> {
    let moment = conn.unchecked_transaction()?;
    lanes.refresh(conn)?;
    look.run(conn, lanes)?;
    moment.commit()?;
    Ok(())
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
        stats.push(LaneStats {
            queue: lane.queue,
            name: lane.name,
            format: lane.format,
            counts,
        });
    }
    stats
        .sort_unstable_by(|a, b| (&a.queue, &a.name, a.format).cmp(&(&b.queue, &b.name, b.format)));
    Ok(stats)
}

/// Tasks whose owner is gone, or whose lease was seen unrenewed for its full length.
pub(crate) fn orphans(
    conn: &Connection,
    lanes: &Lanes,
    local: &Local,
    watch: &Mutex<LeaseWatch>,
    steady: Duration,
    limit: usize,
) -> Result<Vec<Orphan>, Failure> {
    let held = held_leases(conn)?;
    let owners: HashSet<OwnerId> = held.iter().map(|(_, owner)| *owner).collect();
    let gone = local.gone(&owners);
    if !gone.is_empty() {
        local.forget_soon();
    }
    local.forget_idle(&owners, steady);
    let leases = held.iter().map(|(held, _)| *held);
    let over = watch.lock().unwrap_or_else(PoisonError::into_inner);
    let over: HashSet<Lease> = { over }.observe(leases, steady).into_iter().collect();
    let mut notes: HashMap<OwnerId, Option<Started>> = HashMap::new();
    let mut orphans = Vec::new();
    for (HeldLease { lease, .. }, owner) in held {
        let reason = match gone.contains_key(&owner) {
            true => OrphanReason::OwnerGone,
            false if over.contains(&lease) => OrphanReason::LeaseOver,
            false => continue,
        };
        if orphans.len() == limit {
            break;
        }
        let noted = notes
            .entry(owner)
            .or_insert_with(|| match gone.get(&owner) {
                Some(gone) => Some(gone.started()),
                None => local.notes_of(owner),
            });
        let started = noted.as_ref().is_none_or(|noted| noted.includes(lease));
        if let Some(task) = readable(one(conn, lanes, lease.id.as_i64()))? {
            orphans.push(Orphan {
                task,
                reason,
                started,
            });
        }
    }
    Ok(orphans)
}

fn held_leases(conn: &Connection) -> Result<Vec<(HeldLease, OwnerId)>, Failure> {
    let mut statement = conn.prepare_cached(include_str!("sql/held_leases.sql"))?;
    let mut rows = statement.query([])?;
    let mut held = Vec::new();
    while let Some(row) = rows.next()? {
        let id = row::id(row.get(0)?)?;
        let number = row.get::<_, i64>(1)?.unsigned_abs();
        let beats = row.get::<_, i64>(2)?.unsigned_abs();
        let lease_for = span_out(row.get(3)?);
        if let Some(owner) = OwnerId::from_i64(row.get(4)?) {
            let lease = Lease { id, number };
            held.push((
                HeldLease {
                    lease,
                    beats,
                    lease_for,
                },
                owner,
            ));
        }
    }
    Ok(held)
}
