//! How far a task is, on its way to the storage.

use super::Lease;
use crate::progress::{cut, fitting};
use crate::{Progress, Timestamp};

/// How far the attempt under a lease is.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ProgressUpdate {
    /// Whose progress it is.
    pub lease: Lease,
    /// From 0 to 1.
    pub fraction: f64,
    /// In the handler's words.
    pub message: String,
}

impl ProgressUpdate {
    /// Fraction and text are made to fit, as in [`Progress::new`].
    pub fn new(lease: Lease, fraction: f64, message: &str) -> Self {
        Self {
            lease,
            fraction: fitting(fraction),
            message: cut(message).to_owned(),
        }
    }

    /// What the task keeps of it.
    pub fn progress(self, at: Timestamp) -> Progress {
        Progress {
            fraction: self.fraction,
            message: self.message,
            at,
        }
    }
}
