//! The summary of a stopped pool: how many attempts ended and how many tasks it released.

use tokio::time::Instant;

/// The summary of a pool that has stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct StopSummary {
    /// Attempts that ended since the stop was requested, successfully or not.
    pub finished: u64,
    /// Tasks that were released since the stop was requested: they had not started, or did not finish within the grace.
    pub released: u64,
    /// Tasks whose outcome could not be written in time, because the storage failed or a handler did not
    /// stop. Other pools take them over once their leases have expired.
    pub left: u64,
    /// Attempts that ended since the pool was started.
    pub total_finished: u64,
}

/// The counts of a pool at the moment when it was asked to stop, and the deadline for its handlers.
pub(super) struct StopRequest {
    pub(super) finished: u64,
    pub(super) released: u64,
    pub(super) grace_ends: Instant,
}
