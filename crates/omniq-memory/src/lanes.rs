//! Finds the tasks that are claimed next.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use omniq_core::storage::ClaimFilter;
use omniq_core::{Format, Task, TaskId, Timestamp};

/// The order of claims: the highest priority, then the earliest eta, then the oldest task.
type Rank = (Reverse<i32>, Timestamp, TaskId);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LaneKey {
    pub(crate) queue: String,
    pub(crate) name: String,
    pub(crate) format: Format,
}

impl LaneKey {
    pub(crate) fn of(task: &Task) -> Self {
        Self {
            queue: task.queue.clone(),
            name: task.name.clone(),
            format: task.payload.format,
        }
    }

    fn is_taken_by(&self, filter: &ClaimFilter) -> bool {
        filter.takes(&self.queue, &self.name, self.format)
    }
}

#[derive(Debug, Default)]
struct Lane {
    ready: BTreeSet<Rank>,
    waiting: BTreeSet<(Timestamp, TaskId)>,
}

/// The tasks that can be claimed, now or later. An empty lane is removed, so that a claim checks only lanes that
/// have tasks.
#[derive(Debug, Default)]
pub(crate) struct Lanes(BTreeMap<LaneKey, Lane>);

impl Lanes {
    pub(crate) fn add(&mut self, task: &Task, due: bool) {
        let lane = self.0.entry(LaneKey::of(task)).or_default();
        if due {
            lane.ready.insert(rank(task));
        } else {
            lane.waiting.insert((task.eta, task.id));
        }
    }

    pub(crate) fn remove(&mut self, task: &Task) {
        let key = LaneKey::of(task);
        if let Some(lane) = self.0.get_mut(&key) {
            lane.ready.remove(&rank(task));
            lane.waiting.remove(&(task.eta, task.id));
            if lane.ready.is_empty() && lane.waiting.is_empty() {
                self.0.remove(&key);
            }
        }
    }

    /// Returns the lanes that a filter takes.
    fn taken<'a>(&'a self, filter: &'a ClaimFilter) -> impl Iterator<Item = &'a Lane> {
        let is_taken = |(key, _): &(&LaneKey, &Lane)| key.is_taken_by(filter);
        self.0.iter().filter(is_taken).map(|(_, lane)| lane)
    }

    /// Returns the waiting tasks whose eta has come: at most `max`, the earliest first.
    pub(crate) fn newly_due(
        &self,
        filter: &ClaimFilter,
        now: Timestamp,
        max: usize,
    ) -> Vec<TaskId> {
        let due = |lane: &'_ Lane| -> Vec<_> {
            let newly_due = lane.waiting.iter().take_while(|(eta, _)| *eta <= now);
            newly_due.take(max).copied().collect()
        };
        let mut due: Vec<_> = self.taken(filter).flat_map(due).collect();
        due.sort_unstable();
        due.truncate(max);
        due.into_iter().map(|(_, id)| id).collect()
    }

    /// Returns the first `limit` ready tasks across lanes.
    pub(crate) fn first(&self, filter: &ClaimFilter, limit: usize) -> Vec<TaskId> {
        let mut lanes: Vec<_> = self.taken(filter).map(|lane| lane.ready.iter()).collect();
        let mut heads: BinaryHeap<_> = lanes
            .iter_mut()
            .enumerate()
            .filter_map(|(at, lane)| Some(Reverse((*lane.next()?, at))))
            .collect();
        let mut first = Vec::new();
        while first.len() < limit
            && let Some(Reverse(((_, _, id), at))) = heads.pop()
        {
            first.push(id);
            let next = lanes.get_mut(at).and_then(Iterator::next);
            heads.extend(next.map(|rank| Reverse((*rank, at))));
        }
        first
    }

    /// Returns the time at which the next waiting task becomes due.
    pub(crate) fn next_due(&self, filter: &ClaimFilter) -> Option<Timestamp> {
        let first = |lane: &Lane| lane.waiting.first().map(|(eta, _)| *eta);
        self.taken(filter).filter_map(first).min()
    }
}

fn rank(task: &Task) -> Rank {
    (Reverse(task.priority), task.eta, task.id)
}
