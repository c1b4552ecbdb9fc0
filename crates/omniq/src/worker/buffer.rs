//! Holds claimed tasks until a seat is free.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::isolation::Isolation;
use crate::clock;
use crate::context::Execution;

/// Claimed tasks that wait for a seat, in the order of their claims.
#[derive(Default)]
pub(super) struct Buffer(Mutex<Tasks>);

#[derive(Default)]
struct Tasks {
    waiting: VecDeque<Waiting>,
    /// When only this many tasks are left, it is time to claim again.
    low: usize,
}

/// A task that waits for a seat.
pub(super) struct Waiting {
    pub(super) execution: Arc<Execution>,
    /// Present for a marked task.
    pub(super) isolation: Option<Isolation>,
    since: Instant,
}

impl Buffer {
    fn lock(&self) -> MutexGuard<'_, Tasks> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn len(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Adds claimed tasks, and sets the number of tasks at which it is time to claim again.
    pub(super) fn add(&self, executions: impl IntoIterator<Item = Arc<Execution>>, low: usize) {
        let since = clock::instant();
        let mut tasks = self.lock();
        tasks.low = low;
        tasks
            .waiting
            .extend(executions.into_iter().map(|execution| Waiting {
                execution,
                isolation: None,
                since,
            }));
    }

    /// Adds a marked task at the head, now that it may run.
    pub(super) fn add_first(&self, execution: Arc<Execution>, isolation: Isolation) {
        self.lock().waiting.push_front(Waiting {
            execution,
            isolation: Some(isolation),
            since: clock::instant(),
        });
    }

    /// Takes the next task. Also returns whether it is time to claim again.
    pub(super) fn next(&self) -> Option<(Waiting, bool)> {
        let mut tasks = self.lock();
        let next = tasks.waiting.pop_front()?;
        let left = tasks.waiting.len();
        Some((next, left == tasks.low || left == 0))
    }

    /// Returns since when the oldest task has been waiting.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.lock().waiting.iter().map(|one| one.since).min()
    }

    /// Takes the tasks that have waited for `limit` or longer at `now`.
    pub(super) fn take_late(&self, limit: Duration, now: Instant) -> Vec<Waiting> {
        let is_late = |one: &Waiting| now.saturating_duration_since(one.since) >= limit;
        let mut tasks = self.lock();
        let (late, waiting) = tasks.waiting.drain(..).partition(is_late);
        tasks.waiting = waiting;
        late.into()
    }

    pub(super) fn take_all(&self) -> Vec<Waiting> {
        self.lock().waiting.drain(..).collect()
    }
}
