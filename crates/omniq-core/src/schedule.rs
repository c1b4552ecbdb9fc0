use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// When a task runs: once at a time, or again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Schedule {
    /// Once, not before this time.
    Once(Timestamp),
    /// Again and again; the span is counted from the finish of a run to the start of the next.
    Every(Duration),
}
