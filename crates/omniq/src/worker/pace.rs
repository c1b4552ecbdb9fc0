//! How far ahead of its free seats a pool claims.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// More than this many would keep work from other pools.
const MOST: u64 = 1000;
/// What is claimed ahead should start within this.
const SOON: u64 = 25_000_000;

/// The pool's own speed, in nanoseconds. Racing updates may lose one; an average forgives that.
pub(super) struct Pace {
    seats: u64,
    fixed: Option<usize>,
    handler_time: AtomicU64,
    claim_time: AtomicU64,
    /// Something had to be given back, and no handler has ended since.
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

    /// A handler ended after so long.
    pub(super) fn handler_took(&self, span: Duration) {
        average(&self.handler_time, span);
        if self.stalled.load(Ordering::Relaxed) {
            self.stalled.store(false, Ordering::Relaxed);
        }
    }

    /// A claim was answered after so long.
    pub(super) fn claim_took(&self, span: Duration) {
        average(&self.claim_time, span);
    }

    /// What was claimed ahead could not be started in time.
    pub(super) fn stall(&self) {
        self.stalled.store(true, Ordering::Relaxed);
    }

    /// How many tasks to claim ahead: about what the pool finishes while one claim is under way.
    pub(super) fn prefetch(&self) -> usize {
        if self.stalled.load(Ordering::Relaxed) {
            return 0;
        }
        if let Some(fixed) = self.fixed {
            return fixed;
        }
        let handler = self.handler_time.load(Ordering::Relaxed);
        let claim = self.claim_time.load(Ordering::Relaxed).min(SOON);
        if handler == 0 || handler > SOON {
            return 0;
        }
        let ahead = self.seats.saturating_mul(claim) / handler;
        usize::try_from(ahead.min(MOST)).unwrap_or(0)
    }
}

/// An average in which each new value weighs an eighth.
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
    fn claims_ahead_what_it_finishes_during_a_claim() {
        let pace = Pace::new(8, None);
        assert_eq!(pace.prefetch(), 0, "nothing is known yet");
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
