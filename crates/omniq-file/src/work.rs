//! The operations of a batch.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use omniq_core::storage::{
    ClaimRequest, Claimed, Enqueued, Hold, Lease, MAX_DUE_PER_CLAIM, ProgressUpdate, PurgeRequest,
    Settled, StoredTask,
};
use omniq_core::{Change, NewTask, Task, TaskId, Timestamp};

use crate::name::Name;
use crate::place::Shelf;
use crate::store::Store;
use crate::trouble::Failure;

/// Who is claimed first: the highest priority, then the earliest eta, then the oldest.
type Head = Reverse<(Reverse<i32>, Name, u32)>;

impl Store {
    /// Adds a task, or finds the one that holds its unique key or is the live member of its series.
    pub(crate) fn enqueue(&mut self, new: &NewTask, now: Timestamp) -> Result<Enqueued, Failure> {
        let rival = self.in_the_way(&new.name, new.unique_key.as_deref(), new.series_id)?;
        if let Some(holder) = rival {
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
            let waiting = self.come_due(lane, now)?;
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

    /// A name without a task behind it goes away.
    fn take(
        &mut self,
        (priority, name, lane): (i32, Name, u32),
        request: &ClaimRequest,
        now: Timestamp,
    ) -> Result<Option<Task>, Failure> {
        let shelf = Shelf::Ready { lane, priority };
        if !self.is_known(shelf, name)? {
            return Ok(None);
        }
        let Some(row) = self.row(name.id)? else {
            return Ok(None);
        };
        let mut row = row.clone();
        row.begin(request, now);
        let task = row.task.clone();
        self.put(row)?;
        Ok(Some(task))
    }

    /// Takes nothing. If there is a task that is ready, it was due when the claim was made, for all that the
    /// claimer has to know.
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

    /// Moves what has come due over to the ready ones; says when the next of the lane is due.
    fn come_due(&mut self, lane: u32, now: Timestamp) -> Result<Option<Timestamp>, Failure> {
        let waiting = Shelf::Waiting { lane };
        let next = self.first(waiting)?.map(|first| first.time);
        if next.is_none_or(|eta| eta > now) {
            return Ok(next);
        }
        for name in self.until(waiting, now, MAX_DUE_PER_CLAIM)? {
            if self.is_known(waiting, name)? {
                self.comes_due(name.id)?;
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
        let mut entry = self.beaten(id, known)?;
        entry.beats += 1;
        entry.lease_for = lease_for;
        self.index.set(id, Some(entry));
        self.batch.renewed.insert(id, entry);
        Ok(hold)
    }

    pub(crate) fn record_progress(
        &mut self,
        note: &ProgressUpdate,
        now: Timestamp,
    ) -> Result<bool, Failure> {
        let Some(row) = self.row(note.lease.id)? else {
            return Ok(false);
        };
        if row.hold(note.lease) == Hold::Lost {
            return Ok(false);
        }
        let mut row = row.clone();
        row.task.progress = Some(note.clone().progress(now));
        self.put(row)?;
        Ok(true)
    }

    /// One guarded change, with its follow-ups.
    pub(crate) fn settle(&mut self, change: &Change, now: Timestamp) -> Result<Settled, Failure> {
        let Some(row) = self.row(change.id)? else {
            return Ok(Settled::NotFound);
        };
        if let Some(refusal) = row.rejection(change) {
            return Ok(refusal);
        }
        let mut row = row.clone();
        if row.restarts(change) {
            let task = &row.task;
            let rival = self.in_the_way(&task.name, task.unique_key.as_deref(), task.series_id)?;
            if let Some(holder) = rival {
                return Ok(Settled::Conflict { holder });
            }
        }
        row.apply(change, now);
        // The task first: its own key and series may be what a follow-up needs.
        self.put(row)?;
        for new in &change.then {
            self.enqueue(new, now)?;
        }
        self.effects.record(change, now);
        Ok(Settled::Applied)
    }

    /// Forgets the oldest finished tasks that nobody holds.
    pub(crate) fn purge(&mut self, request: &PurgeRequest) -> Result<u64, Failure> {
        let until = request.now.before(request.older_than);
        let mut old = Vec::new();
        for status in request
            .statuses
            .iter()
            .filter(|status| status.is_finished())
        {
            let names = self.until(Shelf::Finished(*status), until, request.limit)?;
            old.extend(names.into_iter().map(|name| (name, *status)));
        }
        old.sort_unstable();
        old.dedup();
        old.truncate(request.limit);
        let mut forgotten = 0;
        for (name, status) in &old {
            if self.is_known(Shelf::Finished(*status), *name)? {
                self.forget(name.id)?;
                forgotten += 1;
            }
        }
        Ok(forgotten)
    }

    pub(crate) fn tasks(&mut self, ids: &[TaskId]) -> Result<Vec<Option<Task>>, Failure> {
        let mut tasks = Vec::with_capacity(ids.len());
        for id in ids {
            tasks.push(self.row(*id)?.map(|row| row.task.clone()));
        }
        Ok(tasks)
    }
}
