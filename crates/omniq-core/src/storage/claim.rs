//! Claims: their requests, their results, and the leases that they give out.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Format, OwnerId, Task, TaskId, Timestamp};

/// Which tasks a claim may take. A field that is `None` does not restrict them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ClaimFilter {
    /// Only tasks in these queues.
    pub queues: Option<Vec<String>>,
    /// Only tasks with these names.
    pub names: Option<Vec<String>>,
    /// Only tasks whose payloads have these formats.
    pub formats: Option<Vec<Format>>,
}

impl ClaimFilter {
    /// Returns a filter that takes all tasks.
    pub fn any() -> Self {
        Self::default()
    }

    /// Restricts the tasks to these queues.
    #[must_use]
    pub fn queues<S: Into<String>>(mut self, queues: impl IntoIterator<Item = S>) -> Self {
        self.queues = Some(queues.into_iter().map(Into::into).collect());
        self
    }

    /// Restricts the tasks to these names.
    #[must_use]
    pub fn names<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.names = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Restricts the tasks to payloads of these formats.
    #[must_use]
    pub fn formats(mut self, formats: impl IntoIterator<Item = Format>) -> Self {
        self.formats = Some(formats.into_iter().collect());
        self
    }

    /// Returns whether tasks of this lane may be taken.
    pub fn takes(&self, queue: &str, name: &str, format: Format) -> bool {
        let takes = |choice: &Option<Vec<String>>, text: &str| {
            choice
                .as_ref()
                .is_none_or(|texts| texts.iter().any(|t| t == text))
        };
        takes(&self.queues, queue)
            && takes(&self.names, name)
            && self
                .formats
                .as_ref()
                .is_none_or(|formats| formats.contains(&format))
    }
}

/// A request for due tasks.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ClaimRequest {
    /// The owner that takes them.
    pub owner: OwnerId,
    /// Which tasks it may take.
    pub filter: Arc<ClaimFilter>,
    /// The largest number of tasks.
    pub limit: usize,
    /// The current time: tasks whose eta is not later are due.
    pub now: Timestamp,
    /// The length of the lease.
    pub lease_for: Duration,
    /// Whether to wait while there are no tasks: see [`ClaimRequest::park`].
    pub park: Option<Parked>,
}

/// What the caller of a parked claim knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Parked {
    /// The time at which the next task is due, as far as the caller knows.
    pub next_due: Option<Timestamp>,
}

impl ClaimRequest {
    /// Returns a request for one task that is answered immediately.
    pub fn new(
        owner: OwnerId,
        filter: impl Into<Arc<ClaimFilter>>,
        now: Timestamp,
        lease_for: Duration,
    ) -> Self {
        Self {
            owner,
            filter: filter.into(),
            limit: 1,
            now,
            lease_for,
            park: None,
        }
    }

    /// Sets the largest number of tasks.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Parks the claim while there are no tasks: it is retried whenever work is added, with the time of that
    /// write as its `now`. It is answered once it has tasks, or once it finds a task that becomes due earlier
    /// than `next_due` (with `None`: of any task that will become due). The caller has the timer for `next_due`.
    ///
    /// The claim's own `now` is not used again: it may be long past by then, or in the future, if the clock was
    /// set back. A storage that is notified of work without the time of the write answers with no task and a
    /// `next_due` in the past, and the caller claims again.
    #[must_use]
    pub fn park(mut self, next_due: Option<Timestamp>) -> Self {
        self.park = Some(Parked { next_due });
        self
    }
}

impl ClaimRequest {
    /// Returns whether a claim with this result is answered, instead of staying parked.
    pub fn is_answered_by(&self, found: &Claimed) -> bool {
        self.park.is_none_or(|parked| {
            self.limit == 0 || !found.tasks.is_empty() || parked.is_due_earlier(found.next_due)
        })
    }
}

impl Parked {
    /// Returns whether the time that was found is earlier than the one that the caller knows.
    fn is_due_earlier(self, found: Option<Timestamp>) -> bool {
        match (found, self.next_due) {
            (Some(found), Some(known)) => found < known,
            (Some(_), None) => true,
            (None, _) => false,
        }
    }
}

/// The result of a claim.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Claimed {
    /// The claimed tasks: running, with their new lease.
    pub tasks: Vec<Task>,
    /// If there are fewer tasks than requested: when the next task that the filter takes is due.
    pub next_due: Option<Timestamp>,
}

/// The lease of a claim: every later write carries it and is rejected if the lease is not held any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Lease {
    /// The task.
    pub id: TaskId,
    /// The fencing number: each claim of the task gets a larger one.
    pub number: u64,
}

impl Claimed {
    /// Returns a result with these tasks and the time at which the next one is due.
    pub const fn new(tasks: Vec<Task>, next_due: Option<Timestamp>) -> Self {
        Self { tasks, next_due }
    }
}

impl Lease {
    /// Returns the lease with this number.
    pub const fn new(id: TaskId, number: u64) -> Self {
        Self { id, number }
    }
}

impl Task {
    /// Returns the lease of the last claim.
    pub const fn lease(&self) -> Lease {
        Lease::new(self.id, self.lease)
    }
}
