//! What a stopped pool has done.

use tokio::time::Instant;

/// What a pool did until it had stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct StopSummary {
    /// Attempts that ended since the stop was requested, successfully or not.
    pub finished: u64,
    /// Tasks that were released since then: they had not started, or did not finish within the grace.
    pub released: u64,
    /// Tasks whose outcome could not be written in time, because the storage failed or a handler did not
    /// stop. Other pools take them over once their leases have expired.
    pub left: u64,
    /// Attempts that ended in the whole life of the pool.
    pub total_finished: u64,
}

/// What a pool had done when it was asked to stop, and how long it may take.
pub(super) struct StopRequest {
    pub(super) finished: u64,
    pub(super) released: u64,
    pub(super) grace_ends: Instant,
}
