use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// The longest text that is kept, in bytes.
const LONGEST: usize = 1024;

/// How far an attempt is, as its handler told it last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Progress {
    /// From 0 to 1.
    pub fraction: f64,
    /// In the handler's words: at most 1 KiB of them.
    pub message: String,
    /// When it was written down.
    pub at: Timestamp,
}

impl Progress {
    /// The fraction is brought to the nearer end of 0 to 1 (one that is no number, to 0), and the text is
    /// cut to 1 KiB, between two characters.
    pub fn new(fraction: f64, message: &str, at: Timestamp) -> Self {
        Self {
            fraction: fitting(fraction),
            message: cut(message).to_owned(),
            at,
        }
    }
}

/// The nearest fraction from 0 to 1.
pub(crate) fn fitting(fraction: f64) -> f64 {
    if fraction.is_nan() {
        return 0.0;
    }
    fraction.clamp(0.0, 1.0)
}

/// As much of a text as is kept.
pub(crate) fn cut(message: &str) -> &str {
    &message[..message.floor_char_boundary(LONGEST)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fraction_is_from_0_to_1() {
        let cases = [
            (0.25, 0.25),
            (-3.0, 0.0),
            (7.0, 1.0),
            (f64::NEG_INFINITY, 0.0),
            (f64::INFINITY, 1.0),
            (f64::NAN, 0.0),
        ];
        for (given, kept) in cases {
            assert_eq!(Progress::new(given, "", Timestamp(1)).fraction, kept);
        }
    }

    #[test]
    fn a_text_is_cut_between_two_characters() {
        let fits = "x".repeat(LONGEST);
        assert_eq!(cut(&fits), fits);
        assert_eq!(cut(&format!("{fits}y")), fits);
        let crabs = "🦀".repeat(LONGEST);
        assert_eq!(cut(&crabs), "🦀".repeat(LONGEST / 4));
        let moved = format!("x{crabs}");
        assert_eq!(cut(&moved).len(), 1 + 4 * (LONGEST / 4 - 1));
    }
}
