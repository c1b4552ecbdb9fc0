//! The only place that reads a clock.
//!
//! What a user sees as the time of tasks comes from the [`Clock`] of their queue. Leases, sweeps, grace and
//! callers' waits are on the free functions, which no injected clock moves.

use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use omniq_core::Timestamp;
use tokio::sync::watch;
use tokio::time::Instant;

/// The time of tasks: their etas, retries, time limits and retention. Clones are the same clock.
#[derive(Debug, Clone)]
pub(crate) struct Clock(Source);

#[derive(Debug, Clone)]
enum Source {
    System,
    Manual(watch::Sender<Reading>),
}

/// What a clock shows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    /// It may jump.
    pub(crate) wall: Timestamp,
    /// How much time has passed: it only grows, and no jump of the wall clock moves it.
    pub(crate) passed: Duration,
}

impl Clock {
    /// The clock of the system.
    pub(crate) fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that shows whatever was sent last.
    pub(crate) fn manual(readings: watch::Sender<Reading>) -> Self {
        Self(Source::Manual(readings))
    }

    /// Both times, of the same moment.
    pub(crate) fn read(&self) -> Reading {
        match &self.0 {
            Source::System => Reading {
                wall: Timestamp::from(SystemTime::now()),
                passed: monotonic(),
            },
            Source::Manual(readings) => *readings.borrow(),
        }
    }

    /// The wall clock: it may jump.
    pub(crate) fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => Timestamp::from(SystemTime::now()),
            Source::Manual(_) => self.read().wall,
        }
    }

    /// So long from now, as a time for [`until`](Self::until).
    pub(crate) fn after(&self, span: Duration) -> Duration {
        let passed = match &self.0 {
            Source::System => monotonic(),
            Source::Manual(_) => self.read().passed,
        };
        passed.saturating_add(span)
    }

    /// Waits until so much time has passed on this clock.
    pub(crate) async fn until(&self, passed: Duration) {
        match &self.0 {
            Source::System => tokio::time::sleep(passed.saturating_sub(monotonic())).await,
            Source::Manual(readings) => {
                let mut readings = readings.subscribe();
                // An error would mean that the sender is gone, but it is ours.
                let _ = readings.wait_for(|shown| shown.passed >= passed).await;
            }
        }
    }
}

/// A clock that only goes forward, for measuring and for timers.
pub(crate) fn instant() -> Instant {
    Instant::now()
}

/// So long from now; at most some decades, which an `Instant` can still hold.
pub(crate) fn deadline(span: Duration) -> Instant {
    const DECADES: Duration = Duration::from_secs(30 * 365 * 86_400);
    instant() + span.min(DECADES)
}

/// The monotonic clock as a span since this process first asked for it.
pub(crate) fn monotonic() -> Duration {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}
