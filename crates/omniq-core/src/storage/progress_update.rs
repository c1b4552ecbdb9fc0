//! A progress that is to be stored.

use super::Lease;
use crate::progress::{clamp_fraction, truncate};
use crate::{Progress, Timestamp};

/// The progress of the attempt under a lease.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ProgressUpdate {
    /// The lease of the attempt.
    pub lease: Lease,
    /// The fraction that is done, from 0 to 1.
    pub fraction: f64,
    /// The handler's message.
    pub message: String,
}

impl ProgressUpdate {
    /// Returns an update whose fraction is clamped and whose message is truncated, as in [`Progress::new`].
    pub fn new(lease: Lease, fraction: f64, message: &str) -> Self {
        Self {
            lease,
            fraction: clamp_fraction(fraction),
            message: truncate(message).to_owned(),
        }
    }

    /// Converts it to the progress of a task, stored at this time.
    pub fn progress(self, at: Timestamp) -> Progress {
        Progress {
            fraction: self.fraction,
            message: self.message,
            at,
        }
    }
}
