//! Which tasks to list, and which to forget.

use std::time::Duration;

use crate::{Task, TaskId, TaskStatus, Timestamp};

/// Which tasks to list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TaskFilter {
    /// Of this queue only.
    pub queue: Option<String>,
    /// Of this name only.
    pub name: Option<String>,
    /// With this status only.
    pub status: Option<TaskStatus>,
    /// With a larger id than this one: the last of the page before.
    pub after: Option<TaskId>,
    /// At most so many.
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
    /// The first 100 tasks.
    pub fn new() -> Self {
        Self::default()
    }

    /// Of this queue only.
    #[must_use]
    pub fn queue(mut self, queue: impl Into<String>) -> Self {
        self.queue = Some(queue.into());
        self
    }

    /// Of this name only.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// With this status only.
    #[must_use]
    pub fn status(mut self, status: TaskStatus) -> Self {
        self.status = Some(status);
        self
    }

    /// The page after this task.
    #[must_use]
    pub fn after(mut self, id: TaskId) -> Self {
        self.after = Some(id);
        self
    }

    /// At most so many tasks.
    #[must_use]
    pub fn limit(mut self, limit: u32) -> Self {
        self.limit = limit;
        self
    }
}

/// Which finished tasks to forget.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PurgeRequest {
    /// With one of these statuses.
    pub statuses: Vec<TaskStatus>,
    /// Finished at least so long ago.
    pub older_than: Duration,
    /// The time from which that is counted.
    pub now: Timestamp,
    /// At most so many, the oldest first.
    pub limit: usize,
}

impl PurgeRequest {
    /// Tasks that ended with one of these statuses at least `older_than` before `now`.
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

    /// At most so many tasks.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Whether a task goes.
    pub fn takes(&self, task: &Task) -> bool {
        let old = |finished: Timestamp| finished <= self.now.before(self.older_than);
        self.statuses.contains(&task.status)
            && !task.holds_unique_key()
            && task.finished_at.is_some_and(old)
    }
}
