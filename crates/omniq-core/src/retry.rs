//! The wait between attempts.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The wait before the next attempt.
///
/// Each wait has jitter: it is multiplied by a random factor between 0.75 and 1.25, so that tasks that failed
/// together are not retried together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Backoff {
    /// `first`, then doubled each time, up to `max`.
    Exponential {
        /// The wait after the first attempt.
        first: Duration,
        /// The longest wait.
        max: Duration,
    },
    /// The same wait each time.
    Fixed(Duration),
}

impl Default for Backoff {
    /// Returns 1 s, doubled each time, up to 60 s.
    fn default() -> Self {
        Self::Exponential {
            first: Duration::from_secs(1),
            max: Duration::from_secs(60),
        }
    }
}

impl Backoff {
    /// Returns the wait after attempt number `attempt`, which counts from 1. `random` is a random number from 0
    /// to 1.
    pub fn delay(self, attempt: u32, random: f64) -> Duration {
        let without_jitter = match self {
            Self::Fixed(wait) => wait,
            Self::Exponential { first, max } => {
                let doublings = attempt.saturating_sub(1).min(31);
                first.saturating_mul(1 << doublings).min(max)
            }
        };
        let factor = 0.75 + random.clamp(0.0, 1.0) / 2.0;
        Duration::try_from_secs_f64(without_jitter.as_secs_f64() * factor).unwrap_or(without_jitter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_longest_wait() {
        let waits: Vec<u64> = (1..=9)
            .map(|attempt| Backoff::default().delay(attempt, 0.5).as_secs())
            .collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(Backoff::default().delay(u32::MAX, 0.5).as_secs(), 60);
    }

    #[test]
    fn jitter_is_at_most_a_quarter_of_the_wait() {
        let fixed = Backoff::Fixed(Duration::from_secs(8));
        assert_eq!(fixed.delay(3, 0.0), Duration::from_secs(6));
        assert_eq!(fixed.delay(3, 1.0), Duration::from_secs(10));
        assert_eq!(Backoff::Fixed(Duration::MAX).delay(1, 1.0), Duration::MAX);
    }
}
