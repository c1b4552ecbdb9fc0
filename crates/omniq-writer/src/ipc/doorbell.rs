//! The doorbell: every process that uses the same data hears it.

use std::fmt;
use std::sync::Arc;

use omniq_core::Result;

use super::folder::Folder;
use super::subscription::{Heard, Subscription};
use super::watcher;

/// Rings, and hears every ring: of other processes, of other doorbells in this one, and its own. On Linux it
/// also hears when an owner's process ends, for whatever reason.
///
/// All doorbells of a process share one watcher and two threads, which end with the last doorbell.
pub struct Doorbell {
    subscription: Arc<Subscription>,
    key: u64,
}

impl Doorbell {
    /// Calls `listener` whenever the bell was rung or an owner may have exited, on a thread that all doorbells
    /// share: the call should be short. Events that come several times during a call become one further call.
    /// A call only means "check": the listener is also called when events may have been missed, and once more
    /// while the doorbell is being dropped.
    ///
    /// # Errors
    ///
    /// Of kind [`ErrorKind::Storage`](omniq_core::ErrorKind::Storage) if the folder can't be watched. The text
    /// names the limit to raise, if there is one. Without a doorbell, the safety check alone finds the work.
    pub fn open(folder: &Folder, listener: impl Fn(Heard) + Send + Sync + 'static) -> Result<Self> {
        let (subscription, key) = watcher::listen(folder, Arc::new(listener))?;
        Ok(Self { subscription, key })
    }

    /// Whether it hears owners exit. If not, owners have to be checked periodically.
    pub fn hears_owners(&self) -> bool {
        self.subscription.hears_owners()
    }

    /// Rings; call it after the commit. The first of several failures is logged: the safety check finds the
    /// work.
    pub fn ring(&self) {
        self.subscription.ring();
    }
}

impl Drop for Doorbell {
    fn drop(&mut self) {
        watcher::leave(&self.subscription, self.key);
    }
}

impl fmt::Debug for Doorbell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.subscription.path();
        f.debug_tuple("Doorbell").field(&path).finish()
    }
}
