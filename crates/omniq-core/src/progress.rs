//! The progress of an attempt.

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// The longest message that is stored, in bytes.
const MAX_MESSAGE: usize = 1024;

/// The progress of an attempt, as its handler reported it last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Progress {
    /// The fraction that is done, from 0 to 1.
    pub fraction: f64,
    /// The handler's message, at most 1 KiB.
    pub message: String,
    /// When it was stored.
    pub at: Timestamp,
}

impl Progress {
    /// Returns a progress whose fraction is clamped to 0..=1 (NaN becomes 0) and whose message is truncated to
    /// 1 KiB, between two characters.
    pub fn new(fraction: f64, message: &str, at: Timestamp) -> Self {
        Self {
            fraction: clamp_fraction(fraction),
            message: truncate(message).to_owned(),
            at,
        }
    }
}

/// Clamps a fraction to 0..=1; NaN becomes 0.
pub(crate) fn clamp_fraction(fraction: f64) -> f64 {
    if fraction.is_nan() {
        return 0.0;
    }
    fraction.clamp(0.0, 1.0)
}

/// Truncates a message to the size that is stored.
pub(crate) fn truncate(message: &str) -> &str {
    &message[..message.floor_char_boundary(MAX_MESSAGE)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fraction_is_clamped_to_0_to_1() {
        let cases = [
            (0.25, 0.25),
            (-3.0, 0.0),
            (7.0, 1.0),
            (f64::NEG_INFINITY, 0.0),
            (f64::INFINITY, 1.0),
            (f64::NAN, 0.0),
        ];
        for (given, stored) in cases {
            assert_eq!(Progress::new(given, "", Timestamp(1)).fraction, stored);
        }
    }

    #[test]
    fn a_message_is_truncated_between_two_characters() {
        let fits = "x".repeat(MAX_MESSAGE);
        assert_eq!(truncate(&fits), fits);
        assert_eq!(truncate(&format!("{fits}y")), fits);
        let crabs = "🦀".repeat(MAX_MESSAGE);
        assert_eq!(truncate(&crabs), "🦀".repeat(MAX_MESSAGE / 4));
        let shifted = format!("x{crabs}");
        assert_eq!(truncate(&shifted).len(), 1 + 4 * (MAX_MESSAGE / 4 - 1));
    }
}
