//! The only place of this crate that reads the wall clock. Whoever calls through the queue brings the time
//! along; a file that somebody dropped into the folder has passed no queue.

use std::time::{Duration, SystemTime};

use omniq_core::Timestamp;

pub(crate) fn now() -> Timestamp {
    Timestamp::from(SystemTime::now())
}

/// How long ago a file was written. One from the future was written before the clock was set back, and not now.
pub(crate) fn age(written: SystemTime) -> Duration {
    let since = SystemTime::now().duration_since(written);
    since.unwrap_or_else(|error| error.duration())
}
