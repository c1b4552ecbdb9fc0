//! What a claim asks for, and what it gets.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Format, OwnerId, Task, TaskId, Timestamp};

/// Which tasks a claim may take. `None` leaves the choice open.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ClaimFilter {
    /// From these queues only.
    pub queues: Option<Vec<String>>,
    /// Of these names only.
    pub names: Option<Vec<String>>,
    /// In these formats only.
    pub formats: Option<Vec<Format>>,
}

impl ClaimFilter {
    /// Every task.
    pub fn any() -> Self {
        Self::default()
    }

    /// From these queues only.
    #[must_use]
    pub fn queues<S: Into<String>>(mut self, queues: impl IntoIterator<Item = S>) -> Self {
        self.queues = Some(queues.into_iter().map(Into::into).collect());
        self
    }

    /// Of these names only.
    #[must_use]
    pub fn names<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.names = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// In these formats only.
    #[must_use]
    pub fn formats(mut self, formats: impl IntoIterator<Item = Format>) -> Self {
        self.formats = Some(formats.into_iter().collect());
        self
    }

    /// Whether tasks of this lane may be taken.
    pub fn takes(&self, queue: &str, name: &str, format: Format) -> bool {
        let open = |choice: &Option<Vec<String>>, text: &str| {
            choice
                .as_ref()
                .is_none_or(|texts| texts.iter().any(|t| t == text))
        };
        open(&self.queues, queue)
            && open(&self.names, name)
            && self
                .formats
                .as_ref()
                .is_none_or(|formats| formats.contains(&format))
    }
}

/// A wish for due tasks.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ClaimRequest {
    /// Who takes them.
    pub owner: OwnerId,
    /// Which ones.
    pub filter: Arc<ClaimFilter>,
    /// At most so many.
    pub limit: usize,
    /// What is due by now.
    pub now: Timestamp,
    /// How long the lease is unless it is renewed.
    pub lease_for: Duration,
    /// See [`ClaimRequest::park`].
    pub park: Option<Parked>,
}

/// What a parked claim knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Parked {
    /// When the next task is due, as far as the caller knows.
    pub next_due: Option<Timestamp>,
}

impl ClaimRequest {
    /// A claim of one task that answers at once.
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

    /// At most so many tasks.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Waits while there is nothing to take: it is tried again whenever work is added, with the time of
    /// that write as its now, and answers once it has tasks, or once it learns of a task that becomes due
    /// sooner than `next_due` (`None`: at all). The caller keeps the timer for `next_due`.
    ///
    /// The claim's own `now` may be long past by then, or lie in the future of a clock that was set back,
    /// so it is not used again: a storage that learns of work but not of the time of the write answers
    /// with no task and a `next_due` that has come, and the caller looks anew.
    #[must_use]
    pub fn park(mut self, next_due: Option<Timestamp>) -> Self {
        self.park = Some(Parked { next_due });
        self
    }
}

impl ClaimRequest {
    /// Whether a claim that found this answers, instead of staying parked.
    pub fn is_answered_by(&self, found: &Claimed) -> bool {
        self.park.is_none_or(|parked| {
            self.limit == 0 || !found.tasks.is_empty() || parked.is_news(found.next_due)
        })
    }
}

impl Parked {
    /// Whether a task that is due at `found` is news to the caller.
    pub fn is_news(&self, found: Option<Timestamp>) -> bool {
        match (found, self.next_due) {
            (Some(found), Some(known)) => found < known,
            (Some(_), None) => true,
            (None, _) => false,
        }
    }
}

/// What a claim got.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Claimed {
    /// The tasks as they are now: running, with their new lease.
    pub tasks: Vec<Task>,
    /// If fewer than wished: when the next task that the filter takes is due.
    pub next_due: Option<Timestamp>,
}

/// A claim's fence: every later write carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Lease {
    /// The task.
    pub id: TaskId,
    /// The number of the claim.
    pub number: u64,
}

impl Claimed {
    /// These tasks, and when the next one is due.
    pub const fn new(tasks: Vec<Task>, next_due: Option<Timestamp>) -> Self {
        Self { tasks, next_due }
    }
}

impl Lease {
    /// The lease that this claim of the task gave out.
    pub const fn new(id: TaskId, number: u64) -> Self {
        Self { id, number }
    }
}

impl Task {
    /// The lease of its last claim.
    pub const fn lease(&self) -> Lease {
        Lease::new(self.id, self.lease)
    }
}
