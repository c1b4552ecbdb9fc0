//! A flag that is raised once and can be waited for.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Small enough to live inside each execution, without an allocation of its own.
#[derive(Debug, Default)]
pub(crate) struct Token {
    fired: AtomicBool,
    bell: Notify,
}

impl Token {
    /// Raises it, for good.
    pub(crate) fn fire(&self) {
        if !self.fired.swap(true, Ordering::SeqCst) {
            self.bell.notify_waiters();
        }
    }

    /// Whether it was raised.
    pub(crate) fn is_fired(&self) -> bool {
        self.fired.load(Ordering::SeqCst)
    }

    /// Raises it when the answer is dropped, however that comes about.
    pub(crate) fn at_the_end(&self) -> AtTheEnd<'_> {
        AtTheEnd(self)
    }

    /// Waits until it is raised.
    pub(crate) async fn fired(&self) {
        let mut bell = pin!(self.bell.notified());
        // In line for the bell before the look, so that no ring falls between the two.
        bell.as_mut().enable();
        if !self.is_fired() {
            bell.await;
        }
    }
}

/// Raises a [`Token`] when it is dropped.
pub(crate) struct AtTheEnd<'a>(&'a Token);

impl Drop for AtTheEnd<'_> {
    fn drop(&mut self) {
        self.0.fire();
    }
}
