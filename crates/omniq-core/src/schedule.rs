//! When a task runs.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// When a task runs: once, or repeatedly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Schedule {
    /// Once, at this time at the earliest.
    Once(Timestamp),
    /// Repeatedly, with this time from the finish of a run to the start of the next.
    Every(Duration),
}
