//! Where claimed tasks wait for a seat.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::poison_isolation::Turn;
use crate::clock;
use crate::context::Execution;

/// Claimed tasks that wait for a seat, in the order of their claims.
#[derive(Default)]
pub(super) struct Buffer(Mutex<Line>);

#[derive(Default)]
struct Line {
    line: VecDeque<Waiting>,
    /// At this length it is time to claim again.
    low: usize,
}

/// A task that waits.
pub(super) struct Waiting {
    pub(super) execution: Arc<Execution>,
    /// A marked task has one.
    pub(super) turn: Option<Turn>,
    since: Instant,
}

impl Buffer {
    fn lock(&self) -> MutexGuard<'_, Line> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn len(&self) -> usize {
        self.lock().line.len()
    }

    pub(super) fn add(&self, executions: impl IntoIterator<Item = Arc<Execution>>, low: usize) {
        let since = clock::instant();
        let mut waiting = self.lock();
        waiting.low = low;
        waiting
            .line
            .extend(executions.into_iter().map(|execution| Waiting {
                execution,
                turn: None,
                since,
            }));
    }

    /// A marked task, now that it has its turn.
    pub(super) fn add_first(&self, execution: Arc<Execution>, turn: Turn) {
        self.lock().line.push_front(Waiting {
            execution,
            turn: Some(turn),
            since: clock::instant(),
        });
    }

    /// The next one, and whether it is time to claim again.
    pub(super) fn next(&self) -> Option<(Waiting, bool)> {
        let mut waiting = self.lock();
        let next = waiting.line.pop_front()?;
        let left = waiting.line.len();
        Some((next, left == waiting.low || left == 0))
    }

    /// Since when the oldest waits.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.lock().line.iter().map(|one| one.since).min()
    }

    /// What has waited at least so long at `now`.
    pub(super) fn take_late(&self, within: Duration, now: Instant) -> Vec<Waiting> {
        let is_late = |one: &Waiting| now.saturating_duration_since(one.since) >= within;
        let mut waiting = self.lock();
        let (late, line) = waiting.line.drain(..).partition(is_late);
        waiting.line = line;
        late.into()
    }

    pub(super) fn take_all(&self) -> Vec<Waiting> {
        self.lock().line.drain(..).collect()
    }
}
