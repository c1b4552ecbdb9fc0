//! Logs a condition when it changes, not each time an operation fails.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// Remembers whether a failure was logged.
#[derive(Debug, Default)]
pub(crate) struct LogOnce(AtomicBool);

impl LogOnce {
    /// Logs the first failure, and the first success after one.
    pub(crate) fn log(&self, operation: &str, path: &Path, result: io::Result<()>) {
        match result {
            Err(error) if !self.0.swap(true, Ordering::Relaxed) => {
                tracing::warn!(path = %path.display(), %error, "{operation} fails");
            }
            Ok(()) if self.0.load(Ordering::Relaxed) && self.0.swap(false, Ordering::Relaxed) => {
                tracing::info!(path = %path.display(), "{operation} works again");
            }
            _ => {}
        }
    }
}
