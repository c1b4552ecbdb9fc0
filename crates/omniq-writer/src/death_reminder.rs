//! Repeats the signal that an owner may have exited, where one event of the operating system is not enough.

use std::sync::Arc;
use std::time::{Duration, Instant};

use omniq_core::storage::Signal;
use tokio::sync::broadcast;

use crate::neighbours::Neighbours;

/// The pauses between the signals after an event. The operating system reports the end of a process just before
/// it releases the process's lock.
const REPEATS: [Duration; 3] = [
    Duration::from_millis(5),
    Duration::from_millis(50),
    Duration::from_millis(250),
];
/// The pause between two signals if no event reports an owner's exit.
const POLL: Duration = Duration::from_millis(250);

pub(crate) struct DeathReminder {
    neighbours: Arc<Neighbours>,
    signals: broadcast::Sender<Signal>,
    last_signal: Instant,
    /// How many of the signals after the last event are still to come.
    repeats_left: usize,
}

impl DeathReminder {
    pub(crate) fn new(
        neighbours: Arc<Neighbours>,
        signals: broadcast::Sender<Signal>,
        now: Instant,
    ) -> Self {
        Self {
            neighbours,
            signals,
            last_signal: now,
            repeats_left: 0,
        }
    }

    /// Shortens the writer's sleep (`usual`) if a signal is due earlier.
    pub(crate) fn patience(&self, usual: Duration, now: Instant) -> Duration {
        match self.pause() {
            Some(pause) => usual.min((self.last_signal + pause).saturating_duration_since(now)),
            None => usual,
        }
    }

    /// Sends a signal if it is due.
    pub(crate) fn send_if_due(&mut self, now: Instant) {
        if self.neighbours.take_owner_exited() {
            // The doorbell's callback has sent the first signal.
            (self.last_signal, self.repeats_left) = (now, REPEATS.len());
        }
        let elapsed = now.saturating_duration_since(self.last_signal);
        if self.pause().is_some_and(|pause| elapsed >= pause) {
            self.last_signal = now;
            self.repeats_left = self.repeats_left.saturating_sub(1);
            // The last listener may have been dropped meanwhile.
            let _ = self.signals.send(Signal::OwnerExited);
        }
    }

    /// Returns the pause from the last signal to the next; `None` if there is no next one.
    fn pause(&self) -> Option<Duration> {
        if self.signals.receiver_count() == 0 {
            return None;
        }
        let repeat = REPEATS.get(REPEATS.len() - self.repeats_left).copied();
        repeat.or_else(|| self.neighbours.must_poll_owners().then_some(POLL))
    }
}
