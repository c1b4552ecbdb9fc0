//! Queries: answered from the index, and from the tasks' files if whole tasks are wanted.

use std::collections::HashMap;
use std::time::Duration;

use omniq_core::storage::{Hold, LaneStats, Lease, Orphan, QueueStats, TaskFilter};
use omniq_core::{Task, TaskId, TaskStatus, Timestamp};
use omniq_writer::{OrphanFinder, OwnedLease};

use crate::errors::Failure;
use crate::store::Store;

impl Store {
    pub(crate) fn holds(&mut self, leases: &[Lease]) -> Result<Vec<Hold>, Failure> {
        let mut holds = Vec::with_capacity(leases.len());
        for lease in leases {
            let entry = self.entry(lease.id)?;
            holds.push(entry.map_or(Hold::Lost, |entry| entry.hold(lease.number)));
        }
        Ok(holds)
    }

    /// Returns the ids of finished and of unknown tasks.
    pub(crate) fn finished(&mut self, ids: &[TaskId]) -> Result<Vec<TaskId>, Failure> {
        let mut finished = Vec::new();
        for id in ids {
            if self
                .entry(*id)?
                .is_none_or(|entry| entry.status.is_finished())
            {
                finished.push(*id);
            }
        }
        Ok(finished)
    }

    pub(crate) fn list(&mut self, filter: &TaskFilter) -> Result<Vec<Task>, Failure> {
        let lanes: HashMap<u32, bool> = self
            .lanes
            .numbers()
            .into_iter()
            .map(|number| (number, self.matches(number, filter)))
            .collect();
        let mut tasks = Vec::new();
        let mut from = filter
            .after
            .map_or(1, |id| id.as_i64().unsigned_abs().saturating_add(1));
        // It repeats only if files of tasks are missing that the index has.
        while tasks.len() < filter.limit as usize {
            let wanted = filter.limit as usize - tasks.len();
            let mut ids = Vec::new();
            self.index
                .each(&*self.disk, &self.paths, from, |id, entry| {
                    let of_lane = lanes.get(&entry.lane).copied().unwrap_or(false);
                    if of_lane && filter.status.is_none_or(|status| status == entry.status) {
                        ids.push(id);
                    }
                    ids.len() < wanted
                })?;
            let Some(last) = ids.last() else { break };
            from = last.as_i64().unsigned_abs() + 1;
            tasks.extend(self.tasks(&ids)?.into_iter().flatten());
        }
        Ok(tasks)
    }

    fn matches(&self, lane: u32, filter: &TaskFilter) -> bool {
        self.lanes.get(lane).is_some_and(|lane| {
            filter
                .queue
                .as_ref()
                .is_none_or(|queue| *queue == lane.queue)
                && filter.name.as_ref().is_none_or(|name| *name == lane.name)
        })
    }

    pub(crate) fn stats(&mut self, now: Timestamp) -> Result<Vec<LaneStats>, Failure> {
        let mut by_lane = HashMap::<u32, QueueStats>::new();
        self.index.each(&*self.disk, &self.paths, 1, |_, entry| {
            let scheduled = !entry.due && entry.eta > now;
            let pending = entry.status == TaskStatus::Pending;
            let counts = by_lane.entry(entry.lane).or_default();
            counts.count(entry.status, pending && scheduled);
            true
        })?;
        let lane = |(number, counts)| {
            let lane = self.lanes.get(number)?.clone();
            Some(LaneStats::new(lane.queue, lane.name, lane.format, counts))
        };
        let mut stats: Vec<_> = by_lane.into_iter().filter_map(lane).collect();
        LaneStats::sort(&mut stats);
        Ok(stats)
    }

    /// Returns tasks whose owner is dead, or whose lease was not renewed for its full length.
    pub(crate) fn orphans(
        &mut self,
        orphan_finder: &OrphanFinder,
        monotonic: Duration,
        limit: usize,
    ) -> Result<Vec<Orphan>, Failure> {
        let lost = orphan_finder.find(&self.held_leases()?, monotonic, limit);
        let mut orphans = Vec::with_capacity(lost.len());
        for lost in lost {
            if let Some(stored) = self.stored_task(lost.lease.id)? {
                orphans.push(Orphan::new(stored.task.clone(), lost.reason, lost.started));
            }
        }
        Ok(orphans)
    }

    /// Returns the held leases, with the renewals that other processes wrote.
    fn held_leases(&mut self) -> Result<Vec<OwnedLease>, Failure> {
        let mut held = Vec::new();
        for id in self.held()? {
            let Some(known) = self.entry(id)? else {
                // The task has a file in queue/running or queue/stopping.
                return Err(self.index.damage().into());
            };
            if let Some(owner) = known.owner {
                let lease = self.with_renewals(id, known)?.held_lease(id);
                held.push(OwnedLease { lease, owner });
            }
        }
        Ok(held)
    }
}
