use std::fmt;
use std::sync::Arc;

use super::runtime::Runtime;
use crate::Event;

/// A subscription to events: an [`Iterator`] that waits for the next event. It is the twin of
/// [`EventStream`](crate::EventStream).
///
/// ```
/// # use omniq::{EventKind, OmniQ, call};
/// # fn main() -> omniq::Result<()> {
/// let omniq = OmniQ::connect("memory:")?;
/// let events = omniq.events();
/// let handle = omniq.enqueue(call("greet"))?;
/// handle.cancel()?;
/// let happened: Vec<_> = events.take(2).map(|event| event.kind).collect();
/// assert_eq!(happened, [EventKind::Enqueued, EventKind::Cancelled]);
/// # Ok(()) }
/// ```
pub struct EventStream {
    events: crate::EventStream,
    runtime: Arc<Runtime>,
}

impl EventStream {
    pub(super) fn new(events: crate::EventStream, runtime: Arc<Runtime>) -> Self {
        Self { events, runtime }
    }
}

impl Iterator for EventStream {
    type Item = Event;

    /// Waits for the next event; returns `None` once the [`OmniQ`](crate::OmniQ), its clones, handles and pools are
    /// dropped.
    ///
    /// In a forked child, and on a thread that runs async tasks, it can't wait: it logs an error and returns `None`.
    fn next(&mut self) -> Option<Event> {
        match self.runtime.wait(self.events.next()) {
            Ok(event) => event,
            Err(error) => {
                tracing::error!(error = %error.chain(), "this thread can't wait for events");
                None
            }
        }
    }
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EventStream")
    }
}
