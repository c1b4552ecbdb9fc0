//! The only file of this crate that reads the wall clock. Calls that pass through the queue provide the time; an
//! order in the application's own transaction passes through no queue.

use std::time::SystemTime;

use omniq_core::Timestamp;

pub(crate) fn now() -> Timestamp {
    Timestamp::from(SystemTime::now())
}
