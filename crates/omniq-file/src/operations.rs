//! The operations of a batch: enqueue, claim, renew, settle and purge.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use omniq_core::storage::{
    ClaimRequest, Claimed, Enqueued, Hold, Lease, MAX_DUE_PER_CLAIM, ProgressUpdate, PurgeRequest,
    Settled, StoredTask,
};
use omniq_core::{Change, NewTask, Task, TaskId, Timestamp};

use crate::errors::Failure;
use crate::file_name::FileName;
use crate::location::Shelf;
use crate::store::Store;

/// The first task of a lane, in the order of claims: the highest priority, then the earliest eta, then the oldest id.
type Head = Reverse<(Reverse<i32>, FileName, u32)>;

impl Store {
    /// Adds a task, or finds the one that holds its unique key or is the unfinished member of its series.
    pub(crate) fn enqueue(&mut self, new: &NewTask, now: Timestamp) -> Result<Enqueued, Failure> {
        let conflict =
            self.conflicting_task(&new.name, new.unique_key.as_deref(), new.series_id)?;
        if let Some(holder) = conflict {
            return Ok(Enqueued::Existing(holder));
        }
        let id = self.next_id()?;
        self.put(StoredTask::new(new.clone(), id, now))?;
        self.effects.add_work(now);
        Ok(Enqueued::New(id))
    }

    pub(crate) fn claim(
        &mut self,
        request: &ClaimRequest,
        now: Timestamp,
    ) -> Result<Claimed, Failure> {
        let mut claimed = Claimed::default();
        if request.limit == 0 {
            return Ok(claimed);
        }
        let mut heads: BinaryHeap<Head> = BinaryHeap::new();
        for lane in self.lanes.matching(&request.filter) {
            let waiting = self.move_due(lane, now)?;
            claimed.next_due = claimed.next_due.into_iter().chain(waiting).min();
            heads.extend(self.lane_head(lane)?);
        }
        while claimed.tasks.len() < request.limit
            && let Some(Reverse((Reverse(priority), name, lane))) = heads.pop()
        {
            let taken = self.take((priority, name, lane), request, now)?;
            claimed.tasks.extend(taken);
            heads.extend(self.lane_head(lane)?);
        }
        if claimed.tasks.len() == request.limit {
            claimed.next_due = None;
        }
        Ok(claimed)
    }

    fn lane_head(&mut self, lane: u32) -> Result<Option<Head>, Failure> {
        let head = self.head(lane)?;
        Ok(head.map(|(priority, name)| Reverse((Reverse(priority), name, lane))))
    }

    /// Claims the task of a name; `None` if there is no such task.
    fn take(
        &mut self,
        (priority, name, lane): (i32, FileName, u32),
        request: &ClaimRequest,
        now: Timestamp,
    ) -> Result<Option<Task>, Failure> {
        let shelf = Shelf::Ready { lane, priority };
        if !self.has_task_at(shelf, name)? {
            return Ok(None);
        }
        let Some(stored) = self.stored_task(name.id)? else {
            return Ok(None);
        };
        let mut stored = stored.clone();
        stored.begin(request, now);
        let task = stored.task.clone();
        self.put(stored)?;
        Ok(Some(task))
    }

    /// Claims nothing, and returns when the next task is due. If a task is ready, that is `request.now`; the exact time
    /// does not matter to the claimer.
    pub(crate) fn peek(&mut self, request: &ClaimRequest) -> Result<Claimed, Failure> {
        let mut claimed = Claimed::default();
        for lane in self.lanes.matching(&request.filter) {
            if self.head(lane)?.is_some() {
                claimed.next_due = Some(request.now);
                return Ok(claimed);
            }
            let waiting = self.first(Shelf::Waiting { lane })?.map(|name| name.time);
            claimed.next_due = claimed.next_due.into_iter().chain(waiting).min();
        }
        Ok(claimed)
    }

    /// Moves the tasks that have become due to the ready tasks. Returns when the lane's next task is due.
    fn move_due(&mut self, lane: u32, now: Timestamp) -> Result<Option<Timestamp>, Failure> {
        let waiting = Shelf::Waiting { lane };
        let next = self.first(waiting)?.map(|first| first.time);
        if next.is_none_or(|eta| eta > now) {
            return Ok(next);
        }
        for name in self.names_until(waiting, now, MAX_DUE_PER_CLAIM)? {
            if self.has_task_at(waiting, name)? {
                self.make_due(name.id)?;
            }
        }
        Ok(self.first(waiting)?.map(|first| first.time))
    }

    pub(crate) fn renew(&mut self, lease: Lease, lease_for: Duration) -> Result<Hold, Failure> {
        let id = lease.id;
        let Some(known) = self.entry(id)? else {
            return Ok(Hold::Lost);
        };
        let hold = known.hold(lease.number);
        if hold == Hold::Lost {
            return Ok(hold);
        }
        let mut entry = self.with_renewals(id, known)?;
        entry.renewals += 1;
        entry.lease_for = lease_for;
        self.index.set(id, Some(entry));
        self.batch.renewed.insert(id, entry);
        Ok(hold)
    }

    pub(crate) fn record_progress(
        &mut self,
        update: &ProgressUpdate,
        now: Timestamp,
    ) -> Result<bool, Failure> {
        let Some(stored) = self.stored_task(update.lease.id)? else {
            return Ok(false);
        };
        if stored.hold(update.lease) == Hold::Lost {
            return Ok(false);
        }
        let mut stored = stored.clone();
        stored.task.progress = Some(update.clone().progress(now));
        self.put(stored)?;
        Ok(true)
    }

    /// Applies one guarded change, with its follow-up tasks.
    pub(crate) fn settle(&mut self, change: &Change, now: Timestamp) -> Result<Settled, Failure> {
        let Some(stored) = self.stored_task(change.id)? else {
            return Ok(Settled::NotFound);
        };
        if let Some(refusal) = stored.rejection(change) {
            return Ok(refusal);
        }
        let mut stored = stored.clone();
        if stored.restarts(change) {
            let task = &stored.task;
            let conflict =
                self.conflicting_task(&task.name, task.unique_key.as_deref(), task.series_id)?;
            if let Some(holder) = conflict {
                return Ok(Settled::Conflict { holder });
            }
        }
        stored.apply(change, now);
        // The task comes first: a follow-up may need its unique key or its place in the series.
        self.put(stored)?;
        for new in &change.then {
            self.enqueue(new, now)?;
        }
        self.effects.record(change, now);
        Ok(Settled::Applied)
    }

    /// Deletes the oldest finished tasks that no owner holds; returns how many.
    pub(crate) fn purge(&mut self, request: &PurgeRequest) -> Result<u64, Failure> {
        let until = request.now.before(request.older_than);
        let mut old = Vec::new();
        for status in request
            .statuses
            .iter()
            .filter(|status| status.is_finished())
        {
            let names = self.names_until(Shelf::Finished(*status), until, request.limit)?;
            old.extend(names.into_iter().map(|name| (name, *status)));
        }
        old.sort_unstable();
        old.dedup();
        old.truncate(request.limit);
        let mut deleted = 0;
        for (name, status) in &old {
            if self.has_task_at(Shelf::Finished(*status), *name)? {
                self.forget(name.id)?;
                deleted += 1;
            }
        }
        Ok(deleted)
    }

    pub(crate) fn tasks(&mut self, ids: &[TaskId]) -> Result<Vec<Option<Task>>, Failure> {
        let mut tasks = Vec::with_capacity(ids.len());
        for id in ids {
            tasks.push(self.stored_task(*id)?.map(|stored| stored.task.clone()));
        }
        Ok(tasks)
    }
}
