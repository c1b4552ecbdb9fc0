//! The only place that reads a clock.

use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use omniq_core::Timestamp;
use tokio::time::Instant;

/// The wall clock: it may jump.
pub(crate) fn now() -> Timestamp {
    Timestamp::from(SystemTime::now())
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

/// The steady clock as a span since this process first asked for it.
pub(crate) fn steady() -> Duration {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}
