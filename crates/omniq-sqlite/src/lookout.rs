//! Makes up for a system that does not tell when an owner leaves: listeners are told now and then to look.

use std::sync::Arc;
use std::time::{Duration, Instant};

use omniq_core::storage::Signal;
use tokio::sync::broadcast;

use crate::local::Local;

/// How soon a death is noticed where nobody tells of it.
const EVERY: Duration = Duration::from_millis(250);

pub(crate) struct Lookout {
    local: Arc<Local>,
    signals: broadcast::Sender<Signal>,
    called: Instant,
}

impl Lookout {
    pub(crate) fn new(local: Arc<Local>, signals: broadcast::Sender<Signal>, now: Instant) -> Self {
        Self {
            local,
            signals,
            called: now,
        }
    }

    /// How long the writer may sleep, which would else sleep for so long.
    pub(crate) fn patience(&self, usual: Duration) -> Duration {
        match self.is_needed() {
            true => usual.min(EVERY),
            false => usual,
        }
    }

    /// Calls out, if it is time.
    pub(crate) fn call(&mut self, now: Instant) {
        if now.saturating_duration_since(self.called) >= EVERY && self.is_needed() {
            self.called = now;
            // The last listener may have left in between.
            let _ = self.signals.send(Signal::OwnerLeft);
        }
    }

    fn is_needed(&self) -> bool {
        self.signals.receiver_count() > 0 && self.local.must_look()
    }
}
