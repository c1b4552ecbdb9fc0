use std::time::Duration;

use omniq_core::Task;

/// A task, and what only the storage knows of it.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) task: Task,
    /// A task once due stays due, wherever the clock goes.
    pub(crate) due: bool,
    /// How often the lease was renewed.
    pub(crate) beats: u64,
    pub(crate) lease_for: Duration,
}
