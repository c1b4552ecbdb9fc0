//! Decides how many tasks a pool claims ahead of its free seats, from the measured time of handlers and claims.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// The most tasks to claim ahead: more would take work away from other pools.
const MAX_AHEAD: u64 = 1000;
/// The time in nanoseconds within which tasks that are claimed ahead should start.
const START_WITHIN: u64 = 25_000_000;

/// The measured speed of a pool, in nanoseconds. An update may be lost to a concurrent one, which an average tolerates.
pub(super) struct Pace {
    seats: u64,
    fixed: Option<usize>,
    handler_time: AtomicU64,
    claim_time: AtomicU64,
    /// A task that was claimed ahead had to be released, and no handler has ended since then.
    stalled: AtomicBool,
}

impl Pace {
    pub(super) fn new(seats: usize, fixed: Option<usize>) -> Self {
        Self {
            seats: seats as u64,
            fixed,
            handler_time: AtomicU64::new(0),
            claim_time: AtomicU64::new(0),
            stalled: AtomicBool::new(false),
        }
    }

    /// Records how long a handler ran.
    pub(super) fn handler_took(&self, span: Duration) {
        average(&self.handler_time, span);
        if self.stalled.load(Ordering::Relaxed) {
            self.stalled.store(false, Ordering::Relaxed);
        }
    }

    /// Records how long a claim took.
    pub(super) fn claim_took(&self, span: Duration) {
        average(&self.claim_time, span);
    }

    /// Records that a task that was claimed ahead could not start in time.
    pub(super) fn stall(&self) {
        self.stalled.store(true, Ordering::Relaxed);
    }

    /// Returns how many tasks to claim ahead: about as many as the pool finishes during one claim.
    pub(super) fn prefetch(&self) -> usize {
        if self.stalled.load(Ordering::Relaxed) {
            return 0;
        }
        if let Some(fixed) = self.fixed {
            return fixed;
        }
        let handler = self.handler_time.load(Ordering::Relaxed);
        let claim = self.claim_time.load(Ordering::Relaxed).min(START_WITHIN);
        if handler == 0 || handler > START_WITHIN {
            return 0;
        }
        let ahead = self.seats.saturating_mul(claim) / handler;
        usize::try_from(ahead.min(MAX_AHEAD)).unwrap_or(0)
    }
}

/// Updates a moving average, in which each new value has the weight 1/8.
fn average(mean: &AtomicU64, span: Duration) {
    let span = u64::try_from(span.as_nanos())
        .unwrap_or(u64::MAX / 8)
        .clamp(1, u64::MAX / 8);
    let old = mean.load(Ordering::Relaxed);
    let new = if old == 0 {
        span
    } else {
        old - old / 8 + span / 8
    };
    mean.store(new.max(1), Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_pool_claims_ahead_as_many_tasks_as_it_finishes_during_a_claim() {
        let pace = Pace::new(8, None);
        assert_eq!(pace.prefetch(), 0, "nothing was measured yet");
        pace.claim_took(2 * MS);
        pace.handler_took(MS);
        assert_eq!(pace.prefetch(), 16);
        (0..100).for_each(|_| pace.handler_took(Duration::from_micros(1)));
        assert_eq!(pace.prefetch(), 1000);
        (0..100).for_each(|_| pace.handler_took(30 * MS));
        assert_eq!(pace.prefetch(), 0, "slow handlers");
    }

    #[test]
    fn a_stall_ends_with_the_next_handler() {
        let pace = Pace::new(1, Some(5));
        assert_eq!(pace.prefetch(), 5);
        pace.stall();
        assert_eq!(pace.prefetch(), 0);
        pace.handler_took(MS);
        assert_eq!(pace.prefetch(), 5);
    }
}
