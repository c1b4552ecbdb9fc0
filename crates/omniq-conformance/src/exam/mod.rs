//! The questions, one file a topic. The list of them is in `lib.rs`.

pub(crate) mod claim;
pub(crate) mod enqueue;
pub(crate) mod guard;
pub(crate) mod leases;
pub(crate) mod lifecycle;
pub(crate) mod look;
pub(crate) mod parked;
pub(crate) mod progress;
pub(crate) mod races;
pub(crate) mod random;
pub(crate) mod series;
pub(crate) mod settle;
pub(crate) mod unique;
pub(crate) mod watch;
