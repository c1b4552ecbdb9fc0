//! The only place of this crate that reads the wall clock. Whoever calls through the queue brings the time
//! along; an order that goes into a transaction of the application's own has passed no queue.

use std::time::SystemTime;

use omniq_core::Timestamp;

pub(crate) fn now() -> Timestamp {
    Timestamp::from(SystemTime::now())
}
