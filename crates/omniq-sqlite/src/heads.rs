//! Which lane has the next task: the head of each lane, remembered between batches, so that a claim costs as
//! much with ten thousand lanes as with one.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use omniq_core::Timestamp;
use omniq_core::storage::ClaimFilter;
use rusqlite::{Connection, OptionalExtension};

use crate::lanes::Lanes;
use crate::trouble::Failure;

/// How many filters are remembered: about one per pool.
const FILTERS: usize = 8;
/// So many lanes are looked at again whenever another connection has written: it takes a fraction of a
/// millisecond.
const FEW: usize = 64;
/// More than these are, too, but by a claim that gets all it wants not more often than this. In between, it looks
/// at the lanes of new tasks.
const NOW_AND_THEN: Duration = Duration::from_secs(1);

/// A ready task, in the order of running.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Head {
    pub(crate) priority: Reverse<i64>,
    pub(crate) eta: i64,
    pub(crate) id: i64,
}

/// What is remembered, for each filter that claims lately.
#[derive(Default)]
pub(crate) struct Heads(Vec<(Arc<ClaimFilter>, Board)>);

/// The lanes that one filter takes.
#[derive(Default)]
pub(crate) struct Board {
    /// Lanes up to this number are known.
    last_lane: i64,
    lanes: HashMap<i64, Standing>,
    ready: BTreeSet<(Head, i64)>,
    waiting: BTreeSet<(Timestamp, i64)>,
    /// Lanes to look at before the next answer.
    to_look: HashSet<i64>,
    /// Others may have changed any lane, and when all were last looked at.
    unsure: bool,
    looked: Option<Timestamp>,
}

/// What is known of a lane.
#[derive(Default, Clone, Copy)]
struct Standing {
    head: Option<Head>,
    next_due: Option<Timestamp>,
}

impl Heads {
    /// The board of a filter, with all lanes that there are by now.
    pub(crate) fn board(&mut self, filter: &Arc<ClaimFilter>, lanes: &Lanes) -> &mut Board {
        let known = |(f, _): &(Arc<ClaimFilter>, Board)| Arc::ptr_eq(f, filter);
        let at = self.0.iter().position(known).unwrap_or_else(|| {
            if self.0.len() == FILTERS {
                self.0.remove(0);
            }
            self.0.push((filter.clone(), Board::default()));
            self.0.len() - 1
        });
        let board = &mut self.0[at].1;
        for (number, lane) in lanes.after(board.last_lane) {
            board.last_lane = board.last_lane.max(number);
            if filter.takes(&lane.queue, &lane.name, lane.format) {
                board.lanes.insert(number, Standing::default());
                board.to_look.insert(number);
            }
        }
        board
    }

    /// This lane has changed.
    pub(crate) fn touch(&mut self, lane: i64) {
        for (_, board) in &mut self.0 {
            board.touch(lane);
        }
    }

    /// Another connection has written. `last` is the largest id from before.
    pub(crate) fn others_wrote(
        &mut self,
        conn: &Connection,
        last: Option<i64>,
    ) -> Result<(), Failure> {
        let many = self.0.iter().any(|(_, board)| board.lanes.len() > FEW);
        let new = match last {
            Some(last) if many => lanes_of_new_tasks(conn, last)?,
            _ => Vec::new(),
        };
        for (_, board) in &mut self.0 {
            if board.lanes.len() <= FEW || last.is_none() {
                board.touch_all();
            } else {
                board.unsure = true;
                new.iter().for_each(|lane| board.touch(*lane));
            }
        }
        Ok(())
    }
}

impl Board {
    fn touch(&mut self, lane: i64) {
        if self.lanes.contains_key(&lane) {
            self.to_look.insert(lane);
        }
    }

    fn touch_all(&mut self) {
        self.to_look.extend(self.lanes.keys());
    }

    /// If others may have put a task into a lane that was not looked at since, the next look goes to all lanes.
    /// Says whether it does.
    pub(crate) fn doubt_all_if_unsure(&mut self) -> bool {
        let unsure = std::mem::take(&mut self.unsure);
        if unsure {
            self.touch_all();
        }
        unsure
    }

    /// Looks at the lanes that may have changed.
    pub(crate) fn look(&mut self, conn: &Connection, now: Timestamp) -> Result<(), Failure> {
        let recent = |looked: Timestamp| now >= looked && now.since(looked) < NOW_AND_THEN;
        if !self.looked.is_some_and(recent) && self.doubt_all_if_unsure() {
            self.looked = Some(now);
        }
        for lane in std::mem::take(&mut self.to_look) {
            self.look_at(conn, lane)?;
        }
        Ok(())
    }

    /// Looks at this lane.
    pub(crate) fn look_at(&mut self, conn: &Connection, lane: i64) -> Result<(), Failure> {
        let mut head = Vec::new();
        ready(conn, lane, 1, &mut head)?;
        let standing = Standing {
            head: head.first().copied(),
            next_due: next_waiting(conn, lane)?,
        };
        self.set(lane, standing);
        Ok(())
    }

    fn set(&mut self, lane: i64, new: Standing) {
        let old = self.lanes.insert(lane, new).unwrap_or_default();
        if let Some(head) = old.head {
            self.ready.remove(&(head, lane));
        }
        if let Some(eta) = old.next_due {
            self.waiting.remove(&(eta, lane));
        }
        self.ready.extend(new.head.map(|head| (head, lane)));
        self.waiting.extend(new.next_due.map(|eta| (eta, lane)));
    }

    /// The next task of all lanes, and its lane.
    pub(crate) fn first(&self) -> Option<(Head, i64)> {
        self.ready.first().copied()
    }

    /// Whether a single lane has ready tasks.
    pub(crate) fn is_single(&self) -> bool {
        self.ready.len() == 1
    }

    /// From now on, this is the lane's next task.
    pub(crate) fn set_head(&mut self, lane: i64, head: Option<Head>) {
        let standing = self.lanes.get(&lane).copied().unwrap_or_default();
        self.set(lane, Standing { head, ..standing });
    }

    /// A lane with a waiting task that is due by now.
    pub(crate) fn has_come_due(&self, now: Timestamp) -> Option<i64> {
        let (eta, lane) = self.waiting.first()?;
        (*eta <= now).then_some(*lane)
    }

    /// When the next of the waiting tasks is due.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.waiting.first().map(|(eta, _)| *eta)
    }
}

/// The first ready tasks of a lane.
pub(crate) fn ready(
    conn: &Connection,
    lane: i64,
    limit: usize,
    heads: &mut Vec<Head>,
) -> Result<(), Failure> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = conn.prepare_cached(include_str!("sql/ready.sql"))?;
    let mut rows = statement.query([lane, limit])?;
    while let Some(row) = rows.next()? {
        heads.push(Head {
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
