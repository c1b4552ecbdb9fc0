//! Says a thing once, not each time it goes wrong.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// Remembers whether a condition was logged.
#[derive(Debug, Default)]
pub(crate) struct LogOnce(AtomicBool);

impl LogOnce {
    /// Logs the first failure, and the first success after one.
    pub(crate) fn about(&self, what: &str, path: &Path, result: io::Result<()>) {
        match result {
            Err(error) if !self.0.swap(true, Ordering::Relaxed) => {
                tracing::warn!(path = %path.display(), %error, "{what} fails");
            }
            Ok(()) if self.0.load(Ordering::Relaxed) && self.0.swap(false, Ordering::Relaxed) => {
                tracing::info!(path = %path.display(), "{what} works again");
            }
            _ => {}
        }
    }
}
