//! What a history is checked against, besides the lifecycle.

use std::time::Duration;

/// The rules of a check.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// The length of all leases.
    pub lease: Duration,
    /// Whether it is a violation that a task is taken over, because its lease has expired, before the full length of the
    /// lease has passed since its last renewal.
    pub strict: bool,
}
