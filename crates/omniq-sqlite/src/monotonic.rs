//! The only file of this crate that reads the monotonic clock, for the pauses between two checks and for the waits for
//! other programs.

use std::time::Instant;

/// Returns the time now.
pub(crate) fn now() -> Instant {
    Instant::now()
}
