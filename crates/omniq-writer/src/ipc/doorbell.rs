//! A bell that every process beside the same data hears.

use std::fmt;
use std::sync::Arc;

use omniq_core::Result;

use super::folder::Folder;
use super::subscription::Subscription;
use super::watcher;

/// What is called with what was heard.
pub(crate) type Listener = Arc<dyn Fn(Heard) + Send + Sync>;

/// What a doorbell hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Heard {
    /// The bell was rung, or a file arrived in the folder for that: look at the data.
    Rung,
    /// An owner's process may have ended: look who is gone. The system may let go of its lock a moment
    /// later, so look once more soon.
    OwnerExited,
}

/// Rings, and hears whoever rings: other processes, other doorbells of this one, and itself. On Linux it
/// also hears when an owner's process ends, however it does.
///
/// All doorbells of a process share one watcher and two threads, which end with the last of them.
pub struct Doorbell {
    line: Arc<Subscription>,
    key: u64,
}

impl Doorbell {
    /// Calls `hearer` whenever the bell has been rung or an owner may have left, on a thread that all
    /// doorbells share: it should be quick. What comes twice while it runs becomes one call. It says
    /// "look", no more: it is also called when something may have been missed, and once more while the
    /// doorbell is being dropped.
    ///
    /// # Errors
    ///
    /// Of kind [`ErrorKind::Storage`](omniq_core::ErrorKind::Storage) if the folder can't be watched, with
    /// the limit to raise where there is one. The safety check alone finds the work then.
    pub fn open(folder: &Folder, hearer: impl Fn(Heard) + Send + Sync + 'static) -> Result<Self> {
        let (line, key) = watcher::listen(folder, Arc::new(hearer))?;
        Ok(Self { line, key })
    }

    /// Whether it hears of owners that leave. If not, they have to be looked at now and then.
    pub fn hears_owners(&self) -> bool {
        self.line.hears_owners()
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
