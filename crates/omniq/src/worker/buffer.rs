//! Where claimed tasks wait for a seat.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::clock;
use crate::context::Execution;

/// Claimed tasks that wait for a seat, in the order of their claims.
#[derive(Default)]
pub(super) struct Buffer(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    line: VecDeque<(Instant, Arc<Execution>)>,
    /// At this length it is time to claim again.
    low: usize,
}

impl Buffer {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn len(&self) -> usize {
        self.lock().line.len()
    }

    pub(super) fn add(&self, executions: VecDeque<Arc<Execution>>, low: usize) {
        let now = clock::instant();
        let mut waiting = self.lock();
        waiting.low = low;
        waiting
            .line
            .extend(executions.into_iter().map(|one| (now, one)));
    }

    /// The next one, and whether it is time to claim again.
    pub(super) fn next(&self) -> Option<(Arc<Execution>, bool)> {
        let mut waiting = self.lock();
        let (_, execution) = waiting.line.pop_front()?;
        let left = waiting.line.len();
        Some((execution, left == waiting.low || left == 0))
    }

    /// When the oldest was claimed.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.lock().line.front().map(|(claimed, _)| *claimed)
    }

    /// What was claimed at least so long before `now`.
    pub(super) fn take_late(&self, within: Duration, now: Instant) -> Vec<Arc<Execution>> {
        let mut waiting = self.lock();
        let is_late = |claimed: Instant| now.saturating_duration_since(claimed) >= within;
        let late = waiting
            .line
            .partition_point(|(claimed, _)| is_late(*claimed));
        waiting.line.drain(..late).map(|(_, one)| one).collect()
    }

    pub(super) fn take_all(&self) -> Vec<Arc<Execution>> {
        self.lock().line.drain(..).map(|(_, one)| one).collect()
    }
}
