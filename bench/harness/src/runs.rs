//! Which tasks ran, how often, and when the last of those that count began.

use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};

use tokio::sync::Notify;

use crate::clock::nanos;

/// Handlers write here; a workload waits for it.
pub struct Runs {
    seen: Vec<AtomicU8>,
    /// Tasks that ran at least once.
    ran: AtomicUsize,
    /// Executions beyond the first of each task.
    again: AtomicUsize,
    wanted: AtomicUsize,
    reached: Notify,
    reached_at: AtomicU64,
}

impl Runs {
    /// For tasks numbered from 0 to `tasks`, of which so many are wanted.
    pub fn new(tasks: usize, wanted: usize) -> Self {
        Self {
            seen: (0..tasks).map(|_| AtomicU8::new(0)).collect(),
            ran: AtomicUsize::new(0),
            again: AtomicUsize::new(0),
            wanted: AtomicUsize::new(wanted),
            reached: Notify::new(),
            reached_at: AtomicU64::new(0),
        }
    }

    /// The handler of task `n` starts.
    pub fn started(&self, n: usize) {
        self.started_at(n, nanos);
    }

    /// The handler of task `n` started, in another process perhaps.
    pub fn started_at(&self, n: usize, at: impl FnOnce() -> u64) {
        if self.seen[n].fetch_add(1, Ordering::Relaxed) > 0 {
            self.again.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let ran = self.ran.fetch_add(1, Ordering::AcqRel) + 1;
        if ran == self.wanted.load(Ordering::Acquire) {
            self.reached_at.store(at(), Ordering::Release);
            self.reached.notify_one();
        }
    }

    /// From now on, so many are wanted; not while more than that have run.
    pub fn want(&self, tasks: usize) {
        self.wanted.store(tasks, Ordering::Release);
    }

    /// When the last one that was wanted started.
    pub async fn reached(&self) -> u64 {
        self.reached.notified().await;
        self.reached_at.load(Ordering::Acquire)
    }

    /// How many tasks there are.
    pub fn tasks(&self) -> usize {
        self.seen.len()
    }

    /// How many different tasks ran.
    pub fn ran(&self) -> usize {
        self.ran.load(Ordering::Acquire)
    }

    /// How many executions were not the first of their task.
    pub fn again(&self) -> usize {
        self.again.load(Ordering::Acquire)
    }

    /// The tasks that ran, in order.
    pub fn which(&self) -> impl Iterator<Item = usize> + '_ {
        let seen = self.seen.iter().enumerate();
        seen.filter_map(|(n, seen)| (seen.load(Ordering::Acquire) > 0).then_some(n))
    }
}
