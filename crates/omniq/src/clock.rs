//! The clocks. No other module reads one.
//!
//! What users see as the time of tasks comes from the [`Clock`] of their queue. Leases, sweeps, the grace of pools
//! and the time limits of callers use the free functions, which no injected clock moves.

use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, SystemTime};

use omniq_core::{Storage, Timestamp};
use tokio::sync::watch;
use tokio::time::Instant;

/// The time of tasks: their etas, retries, time limits and retention. Clones are the same clock.
#[derive(Clone)]
pub(crate) struct Clock(Source);

#[derive(Clone)]
enum Source {
    /// This machine's clock.
    System,
    /// The clock of a storage that all its processes share. Weak, so that a clock keeps no storage open.
    Storage(Weak<dyn Storage>),
    /// A clock that a test moves.
    Manual(watch::Sender<Reading>),
}

/// The time that a clock shows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    /// The wall clock, which may jump.
    pub(crate) wall: Timestamp,
    /// How much time has passed. It only grows: no jump of the wall clock changes it.
    pub(crate) passed: Duration,
}

impl Clock {
    /// Returns this machine's clock.
    pub(crate) fn system() -> Self {
        Self(Source::System)
    }

    /// Returns a clock that shows the reading that was sent last.
    pub(crate) fn manual(readings: watch::Sender<Reading>) -> Self {
        Self(Source::Manual(readings))
    }

    /// Replaces this machine's clock by the storage's, if the storage has one. A test's clock stays.
    pub(crate) fn or_of(self, storage: &Arc<dyn Storage>) -> Self {
        match self.0 {
            Source::System if storage.clock().is_some() => {
                Self(Source::Storage(Arc::downgrade(storage)))
            }
            source => Self(source),
        }
    }

    /// Reads both times at the same moment.
    pub(crate) fn read(&self) -> Reading {
        match &self.0 {
            Source::Manual(readings) => *readings.borrow(),
            _ => Reading {
                wall: self.now(),
                passed: monotonic(),
            },
        }
    }

    /// Reads the wall clock, which may jump.
    pub(crate) fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => machine_time(),
            Source::Storage(storage) => storage
                .upgrade()
                .and_then(|storage| storage.clock())
                .unwrap_or_else(machine_time),
            Source::Manual(_) => self.read().wall,
        }
    }

    /// Returns the point in time that lies `span` from now, for [`until`](Self::until).
    pub(crate) fn after(&self, span: Duration) -> Duration {
        let passed = match &self.0 {
            Source::Manual(_) => self.read().passed,
            _ => monotonic(),
        };
        passed.saturating_add(span)
    }

    /// Waits until [`Reading::passed`] of this clock has reached `passed`.
    pub(crate) async fn until(&self, passed: Duration) {
        match &self.0 {
            Source::Manual(readings) => {
                let mut readings = readings.subscribe();
                // An error would mean that the sender was dropped, but this clock has one.
                let _ = readings.wait_for(|shown| shown.passed >= passed).await;
            }
            _ => tokio::time::sleep(passed.saturating_sub(monotonic())).await,
        }
    }
}

fn machine_time() -> Timestamp {
    Timestamp::from(SystemTime::now())
}

/// Returns the current time of the monotonic clock, for measurements and timers.
pub(crate) fn instant() -> Instant {
    Instant::now()
}

/// Returns the point in time that lies `span` from now. The span is limited to 30 years, because an `Instant` can't
/// hold much more.
pub(crate) fn deadline(span: Duration) -> Instant {
    const LONGEST: Duration = Duration::from_secs(30 * 365 * 86_400);
    instant() + span.min(LONGEST)
}

/// Returns the time on the monotonic clock since this process first read it.
pub(crate) fn monotonic() -> Duration {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}

#[cfg(all(test, feature = "memory"))]
mod tests {
    use super::*;

    #[test]
    fn a_storage_without_a_clock_does_not_replace_the_machine_s_clock() {
        let storage: Arc<dyn Storage> = Arc::new(omniq_memory::MemoryStorage::new());
        let clock = Clock::system().or_of(&storage);
        let before = machine_time();
        assert!(clock.now() >= before && clock.read().wall <= machine_time());
    }
}
