//! The only file of this crate that reads the wall clock. Calls through the queue provide the time, but dropped files do
//! not come through a queue.

use std::time::{Duration, SystemTime};

use omniq_core::Timestamp;

pub(crate) fn now() -> Timestamp {
    Timestamp::from(SystemTime::now())
}

/// Returns how long ago a file was modified. If that time is in the future, the clock was set back since then, so the
/// file is not new: it returns the distance.
pub(crate) fn age(written: SystemTime) -> Duration {
    let since = SystemTime::now().duration_since(written);
    since.unwrap_or_else(|error| error.duration())
}
