//! Records which tasks ran, how often, and when the last awaited task started.

use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};

use tokio::sync::Notify;

use crate::clock::nanos;

/// A record of executions. Handlers write to it, and a workload waits until a target number of tasks have run.
pub struct Runs {
    /// The number of executions of each task (it may wrap around).
    executions: Vec<AtomicU8>,
    /// The number of tasks that ran at least once.
    ran: AtomicUsize,
    /// The number of executions beyond the first of each task.
    ran_again: AtomicUsize,
    target: AtomicUsize,
    target_reached: Notify,
    reached_at: AtomicU64,
}

impl Runs {
    /// Creates a record for the tasks `0..tasks`. The target is reached when `target` of them have run.
    pub fn new(tasks: usize, target: usize) -> Self {
        Self {
            executions: (0..tasks).map(|_| AtomicU8::new(0)).collect(),
            ran: AtomicUsize::new(0),
            ran_again: AtomicUsize::new(0),
            target: AtomicUsize::new(target),
            target_reached: Notify::new(),
            reached_at: AtomicU64::new(0),
        }
    }

    /// Records that the handler of task `n` starts now.
    pub fn started(&self, n: usize) {
        self.started_at(n, nanos);
    }

    /// Records that the handler of task `n` started at this time, possibly in another process.
    pub fn started_at(&self, n: usize, at: impl FnOnce() -> u64) {
        if self.executions[n].fetch_add(1, Ordering::Relaxed) > 0 {
            self.ran_again.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let ran = self.ran.fetch_add(1, Ordering::AcqRel) + 1;
        if ran == self.target.load(Ordering::Acquire) {
            self.reached_at.store(at(), Ordering::Release);
            self.target_reached.notify_one();
        }
    }

    /// Sets a new target, which must be higher than the number of tasks that have run.
    pub fn set_target(&self, tasks: usize) {
        self.target.store(tasks, Ordering::Release);
    }

    /// Waits until the target is reached. Returns the time at which the last awaited task started.
    pub async fn wait_for_target(&self) -> u64 {
        self.target_reached.notified().await;
        self.reached_at.load(Ordering::Acquire)
    }

    /// Returns the number of tasks.
    pub fn tasks(&self) -> usize {
        self.executions.len()
    }

    /// Returns the number of tasks that ran at least once.
    pub fn ran(&self) -> usize {
        self.ran.load(Ordering::Acquire)
    }

    /// Returns the number of executions that were not the first of their task.
    pub fn ran_again(&self) -> usize {
        self.ran_again.load(Ordering::Acquire)
    }

    /// Returns the tasks that ran, in order.
    pub fn ran_tasks(&self) -> impl Iterator<Item = usize> + '_ {
        let tasks = self.executions.iter().enumerate();
        let ran = tasks.filter(|(_, executions)| executions.load(Ordering::Acquire) > 0);
        ran.map(|(n, _)| n)
    }
}
