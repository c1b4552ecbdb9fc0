//! Which tasks to list, and which to purge.

use std::time::Duration;

use crate::{Task, TaskId, TaskStatus, Timestamp};

/// Which tasks to list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TaskFilter {
    /// Only tasks in this queue.
    pub queue: Option<String>,
    /// Only tasks with this name.
    pub name: Option<String>,
    /// Only tasks with this status.
    pub status: Option<TaskStatus>,
    /// Only tasks with a larger id than this: the last id of the previous page.
    pub after: Option<TaskId>,
    /// The largest number of tasks.
    pub limit: u32,
}

impl Default for TaskFilter {
    fn default() -> Self {
        Self {
            queue: None,
            name: None,
            status: None,
            after: None,
            limit: 100,
        }
    }
}

impl TaskFilter {
    /// Returns a filter for the first 100 tasks.
    pub fn new() -> Self {
        Self::default()
    }

    /// Restricts the list to this queue.
    #[must_use]
    pub fn queue(mut self, queue: impl Into<String>) -> Self {
        self.queue = Some(queue.into());
        self
    }

    /// Restricts the list to this name.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Restricts the list to this status.
    #[must_use]
    pub fn status(mut self, status: TaskStatus) -> Self {
        self.status = Some(status);
        self
    }

    /// Continues after this task: the last one of the previous page.
    #[must_use]
    pub fn after(mut self, id: TaskId) -> Self {
        self.after = Some(id);
        self
    }

    /// Sets the largest number of tasks.
    #[must_use]
    pub fn limit(mut self, limit: u32) -> Self {
        self.limit = limit;
        self
    }
}

/// Which finished tasks to delete.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PurgeRequest {
    /// Only tasks with one of these statuses.
    pub statuses: Vec<TaskStatus>,
    /// Only tasks that finished at least this long before `now`.
    pub older_than: Duration,
    /// The current time.
    pub now: Timestamp,
    /// The largest number of tasks; those that finished first are deleted first.
    pub limit: usize,
}

impl PurgeRequest {
    /// Returns a request for at most 500 tasks that finished with one of these statuses at least `older_than`
    /// before `now`.
    pub fn new(
        statuses: impl IntoIterator<Item = TaskStatus>,
        older_than: Duration,
        now: Timestamp,
    ) -> Self {
        Self {
            statuses: statuses.into_iter().collect(),
            older_than,
            now,
            limit: 500,
        }
    }

    /// Sets the largest number of tasks.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Returns whether this task is to be deleted.
    pub fn takes(&self, task: &Task) -> bool {
        let is_old = |finished: Timestamp| finished <= self.now.before(self.older_than);
        self.statuses.contains(&task.status)
            && !task.holds_unique_key()
            && task.finished_at.is_some_and(is_old)
    }
}
