//! What a history is checked against, besides the lifecycle.

use std::time::Duration;

/// The rules of a check.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// The length of all leases.
    pub lease: Duration,
    /// Whether two more rules hold: attempts and crashes are exact, and no lease is reported expired before its full
    /// length has passed since its last renewal.
    pub strict: bool,
}
