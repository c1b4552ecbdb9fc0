//! The result type of the harness.

/// The result of an operation of the harness itself.
pub type HarnessResult<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;
