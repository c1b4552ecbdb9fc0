//! A flag that is raised once and never lowered; any number of tasks can wait for it.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// The flag. It needs no allocation of its own, because each execution has one.
#[derive(Debug, Default)]
pub(crate) struct Token {
    fired: AtomicBool,
    notify: Notify,
}

impl Token {
    /// Raises the flag.
    pub(crate) fn fire(&self) {
        if !self.fired.swap(true, Ordering::SeqCst) {
            self.notify.notify_waiters();
        }
    }

    /// Whether the flag is raised.
    pub(crate) fn is_fired(&self) -> bool {
        self.fired.load(Ordering::SeqCst)
    }

    /// Returns a guard that raises the flag when it is dropped, even by a panic.
    pub(crate) fn fire_on_drop(&self) -> FireOnDrop<'_> {
        FireOnDrop(self)
    }

    /// Waits until the flag is raised.
    pub(crate) async fn fired(&self) {
        let mut notify = pin!(self.notify.notified());
        // Registered before the check, so that no notification between the two is missed.
        notify.as_mut().enable();
        if !self.is_fired() {
            notify.await;
        }
    }
}

/// Raises a [`Token`] when it is dropped.
pub(crate) struct FireOnDrop<'a>(&'a Token);

impl Drop for FireOnDrop<'_> {
    fn drop(&mut self) {
        self.0.fire();
    }
}
