//! The questions, one file for each topic. Their list is in `lib.rs`.

pub(crate) mod claim;
pub(crate) mod clock;
pub(crate) mod closing;
pub(crate) mod enqueue;
pub(crate) mod guard;
pub(crate) mod leases;
pub(crate) mod lifecycle;
pub(crate) mod parked;
pub(crate) mod progress;
pub(crate) mod queries;
pub(crate) mod races;
pub(crate) mod random;
pub(crate) mod series;
pub(crate) mod settle;
pub(crate) mod unique;
pub(crate) mod watch;
