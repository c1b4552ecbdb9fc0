//! A bell that every process beside the same data hears.

use std::fmt;
use std::sync::Arc;

use omniq_core::Result;

use crate::folder::Folder;
use crate::line::Line;
use crate::watcher;

/// What is called when the bell rings.
pub(crate) type Heard = Arc<dyn Fn() + Send + Sync>;

/// Rings, and hears whoever rings: other processes, other doorbells of this one, and itself.
///
/// All doorbells of a process share one watcher and two threads, which end with the last of them.
pub struct Doorbell {
    line: Arc<Line>,
    key: u64,
}

impl Doorbell {
    /// Calls `heard` whenever the bell has been rung, on a thread that all doorbells share: it should be
    /// quick. Rings that come while it runs become one call. It says "look", no more: it is also called
    /// when a ring may have been missed, and once more while the doorbell is being dropped.
    ///
    /// # Errors
    ///
    /// Of kind [`ErrorKind::Storage`](omniq_core::ErrorKind::Storage) if the folder can't be watched, with
    /// the limit to raise where there is one. The safety check alone finds the work then.
    pub fn open(folder: &Folder, heard: impl Fn() + Send + Sync + 'static) -> Result<Self> {
        let (line, key) = watcher::listen(folder, Arc::new(heard))?;
        Ok(Self { line, key })
    }

    /// Rings, after the commit. A ring that fails is logged once: the safety check finds the work.
    pub fn ring(&self) {
        self.line.ring();
    }
}

impl Drop for Doorbell {
    fn drop(&mut self) {
        watcher::leave(&self.line, self.key);
    }
}

impl fmt::Debug for Doorbell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Doorbell").field(&self.line.path()).finish()
    }
}
