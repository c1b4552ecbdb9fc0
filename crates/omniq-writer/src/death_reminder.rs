//! Tells listeners once more to look who is gone, where what the system tells is not enough.

use std::sync::Arc;
use std::time::{Duration, Instant};

use omniq_core::storage::Signal;
use tokio::sync::broadcast;

use crate::neighbours::Neighbours;

/// The system tells of the end of a process just before it lets go of its lock: from one call to the next.
const AGAIN: [Duration; 3] = [
    Duration::from_millis(5),
    Duration::from_millis(50),
    Duration::from_millis(250),
];
/// How soon a death is noticed where nobody tells of it.
const EVERY: Duration = Duration::from_millis(250);

pub(crate) struct DeathReminder {
    local: Arc<Neighbours>,
    signals: broadcast::Sender<Signal>,
    called: Instant,
    /// How many of the calls after the last news are still to come.
    to_come: usize,
}

impl DeathReminder {
    pub(crate) fn new(
        local: Arc<Neighbours>,
        signals: broadcast::Sender<Signal>,
        now: Instant,
    ) -> Self {
        Self {
            local,
            signals,
            called: now,
            to_come: 0,
        }
    }

    /// How long the writer may sleep, which would else sleep for so long.
    pub(crate) fn patience(&self, usual: Duration, now: Instant) -> Duration {
        let next = self.pause().map(|pause| self.called + pause);
        next.map_or(usual, |next| usual.min(next.saturating_duration_since(now)))
    }

    /// Calls out, if it is time.
    pub(crate) fn call(&mut self, now: Instant) {
        if self.local.one_left() {
            // It was called out at once by who heard of it.
            (self.called, self.to_come) = (now, AGAIN.len());
        }
        let since = now.saturating_duration_since(self.called);
        if self.pause().is_some_and(|pause| since >= pause) {
            self.called = now;
            self.to_come = self.to_come.saturating_sub(1);
            // The last listener may have left in between.
            let _ = self.signals.send(Signal::OwnerExited);
        }
    }

    /// From the last call to the next.
    fn pause(&self) -> Option<Duration> {
        if self.signals.receiver_count() == 0 {
            return None;
        }
        let again = AGAIN.get(AGAIN.len() - self.to_come).copied();
        again.or_else(|| self.local.must_look().then_some(EVERY))
    }
}
