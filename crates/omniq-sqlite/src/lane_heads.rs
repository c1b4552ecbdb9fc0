//! Remembers the first task of each lane between batches, so that a claim costs as much with ten thousand lanes
//! as with one.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use omniq_core::Timestamp;
use omniq_core::storage::ClaimFilter;
use rusqlite::{Connection, OptionalExtension};

use crate::errors::Failure;
use crate::lanes::Lanes;

/// How many filters are remembered: about one per pool.
const FILTERS: usize = 8;
/// Up to this many lanes are all read again whenever another connection has written. That takes a fraction of
/// a millisecond.
const FEW_LANES: usize = 64;
/// If there are more lanes, a claim that gets all it wants reads all of them at most once per this interval, and
/// otherwise only the lanes of new tasks.
const FULL_READ_INTERVAL: Duration = Duration::from_secs(1);

/// A ready task. Its order is the order of running.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ReadyTask {
    pub(crate) priority: Reverse<i64>,
    pub(crate) eta: i64,
    pub(crate) id: i64,
}

/// One index for each filter of recent claims.
#[derive(Default)]
pub(crate) struct LaneHeads(Vec<(Arc<ClaimFilter>, LaneIndex)>);

/// The heads of all lanes that one filter takes.
#[derive(Default)]
pub(crate) struct LaneIndex {
    /// Lanes up to this number are in the index, if the filter takes them.
    last_lane: i64,
    lanes: HashMap<i64, LaneHead>,
    ready: BTreeSet<(ReadyTask, i64)>,
    waiting: BTreeSet<(Timestamp, i64)>,
    /// Lanes to read before the next answer.
    changed: HashSet<i64>,
    /// Whether another connection may have changed any lane since all of them were read.
    uncertain: bool,
    /// When all lanes were last read because of that.
    last_full_read: Option<Timestamp>,
}

/// What is remembered of a lane.
#[derive(Default, Clone, Copy)]
struct LaneHead {
    first_ready: Option<ReadyTask>,
    next_due: Option<Timestamp>,
}

impl LaneHeads {
    /// Returns the index of a filter, which contains all current lanes.
    pub(crate) fn index(&mut self, filter: &Arc<ClaimFilter>, lanes: &Lanes) -> &mut LaneIndex {
        let is_known = |(f, _): &(Arc<ClaimFilter>, LaneIndex)| Arc::ptr_eq(f, filter);
        let at = self.0.iter().position(is_known).unwrap_or_else(|| {
            if self.0.len() == FILTERS {
                self.0.remove(0);
            }
            self.0.push((filter.clone(), LaneIndex::default()));
            self.0.len() - 1
        });
        let index = &mut self.0[at].1;
        for (number, lane) in lanes.after(index.last_lane) {
            index.last_lane = index.last_lane.max(number);
            if filter.takes(&lane.queue, &lane.name, lane.format) {
                index.lanes.insert(number, LaneHead::default());
                index.changed.insert(number);
            }
        }
        index
    }

    /// Records that this lane has changed.
    pub(crate) fn mark_changed(&mut self, lane: i64) {
        for (_, index) in &mut self.0 {
            index.mark_changed(lane);
        }
    }

    /// Records that another connection has written. `last` is the largest id from before.
    pub(crate) fn others_wrote(
        &mut self,
        conn: &Connection,
        last: Option<i64>,
    ) -> Result<(), Failure> {
        let many = self
            .0
            .iter()
            .any(|(_, index)| index.lanes.len() > FEW_LANES);
        let lanes_of_new = match last {
            Some(last) if many => lanes_of_new_tasks(conn, last)?,
            _ => Vec::new(),
        };
        for (_, index) in &mut self.0 {
            if index.lanes.len() <= FEW_LANES || last.is_none() {
                index.mark_all_changed();
            } else {
                index.uncertain = true;
                for lane in &lanes_of_new {
                    index.mark_changed(*lane);
                }
            }
        }
        Ok(())
    }
}

impl LaneIndex {
    fn mark_changed(&mut self, lane: i64) {
        if self.lanes.contains_key(&lane) {
            self.changed.insert(lane);
        }
    }

    fn mark_all_changed(&mut self) {
        self.changed.extend(self.lanes.keys());
    }

    /// Marks all lanes as changed if another connection may have added a task to a lane that was not read since.
    /// Returns whether it did.
    pub(crate) fn mark_all_if_uncertain(&mut self) -> bool {
        let uncertain = std::mem::take(&mut self.uncertain);
        if uncertain {
            self.mark_all_changed();
        }
        uncertain
    }

    /// Reads the lanes that may have changed.
    pub(crate) fn refresh(&mut self, conn: &Connection, now: Timestamp) -> Result<(), Failure> {
        let is_recent = |read: Timestamp| now >= read && now.since(read) < FULL_READ_INTERVAL;
        if !self.last_full_read.is_some_and(is_recent) && self.mark_all_if_uncertain() {
            self.last_full_read = Some(now);
        }
        for lane in std::mem::take(&mut self.changed) {
            self.refresh_lane(conn, lane)?;
        }
        Ok(())
    }

    /// Reads this lane.
    pub(crate) fn refresh_lane(&mut self, conn: &Connection, lane: i64) -> Result<(), Failure> {
        let mut ready = Vec::new();
        read_ready(conn, lane, 1, &mut ready)?;
        let head = LaneHead {
            first_ready: ready.first().copied(),
            next_due: next_waiting(conn, lane)?,
        };
        self.set(lane, head);
        Ok(())
    }

    fn set(&mut self, lane: i64, new: LaneHead) {
        let old = self.lanes.insert(lane, new).unwrap_or_default();
        if let Some(task) = old.first_ready {
            self.ready.remove(&(task, lane));
        }
        if let Some(eta) = old.next_due {
            self.waiting.remove(&(eta, lane));
        }
        self.ready.extend(new.first_ready.map(|task| (task, lane)));
        self.waiting.extend(new.next_due.map(|eta| (eta, lane)));
    }

    /// Returns the next task of all lanes, and its lane.
    pub(crate) fn first_ready(&self) -> Option<(ReadyTask, i64)> {
        self.ready.first().copied()
    }

    /// Returns whether exactly one lane has ready tasks.
    pub(crate) fn has_one_ready_lane(&self) -> bool {
        self.ready.len() == 1
    }

    /// Replaces the lane's next task.
    pub(crate) fn set_first_ready(&mut self, lane: i64, first_ready: Option<ReadyTask>) {
        let head = self.lanes.get(&lane).copied().unwrap_or_default();
        self.set(
            lane,
            LaneHead {
                first_ready,
                ..head
            },
        );
    }

    /// Returns a lane with a waiting task whose eta is reached.
    pub(crate) fn lane_with_due_task(&self, now: Timestamp) -> Option<i64> {
        let (eta, lane) = self.waiting.first()?;
        (*eta <= now).then_some(*lane)
    }

    /// Returns when the next waiting task is due.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.waiting.first().map(|(eta, _)| *eta)
    }
}

/// Adds the first ready tasks of a lane to `ready`.
pub(crate) fn read_ready(
    conn: &Connection,
    lane: i64,
    limit: usize,
    ready: &mut Vec<ReadyTask>,
) -> Result<(), Failure> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = conn.prepare_cached(include_str!("sql/ready.sql"))?;
    let mut rows = statement.query([lane, limit])?;
    while let Some(row) = rows.next()? {
        ready.push(ReadyTask {
            id: row.get(0)?,
            priority: Reverse(row.get(1)?),
            eta: row.get(2)?,
        });
    }
    Ok(())
}

fn next_waiting(conn: &Connection, lane: i64) -> Result<Option<Timestamp>, Failure> {
    let mut statement = conn.prepare_cached(include_str!("sql/next_waiting.sql"))?;
    let eta = statement.query_row([lane], |row| row.get(0)).optional()?;
    Ok(eta.map(Timestamp))
}

fn lanes_of_new_tasks(conn: &Connection, last: i64) -> Result<Vec<i64>, Failure> {
    let mut statement = conn.prepare_cached(include_str!("sql/lanes_of_new_tasks.sql"))?;
    let lanes = statement.query_map([last], |row| row.get(0))?;
    Ok(lanes.collect::<Result<_, _>>()?)
}
