//! Events: notifies listeners in this process of what happens to tasks.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use omniq_core::{Change, Task, TaskId, TaskStatus, Timestamp};
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError;

use crate::clock::Clock;
use crate::process::Process;
use crate::token::Token;

/// How many events a listener may lag behind before it misses the oldest.
const CAPACITY: usize = 1024;

/// Something that happened to a task through this [`AsyncOmniQ`](crate::AsyncOmniQ), its clones and
/// pools. It is sent after the write that records it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Event {
    /// The task's id.
    pub id: TaskId,
    /// The task's name.
    pub name: String,
    /// The task's queue.
    pub queue: String,
    /// The time at which the event was sent.
    pub at: Timestamp,
    /// What happened.
    pub kind: EventKind,
    /// How many events right before this one the listener missed, because it lagged too far behind.
    pub missed: u64,
}

/// What happened to a task.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum EventKind {
    /// The task is new. A fast pool may send `Started` before this, because the enqueue sends it when it returns.
    Enqueued,
    /// An attempt began.
    Started,
    /// The handler reported progress.
    Progressed {
        /// From 0 to 1.
        fraction: f64,
        /// The handler's message.
        message: String,
    },
    /// The task succeeded.
    Succeeded,
    /// The attempt failed, and another one will follow.
    Retried,
    /// The task failed permanently.
    Failed,
    /// The task was cancelled.
    Cancelled,
    /// The task was released, as if it had not been claimed.
    Released,
    /// The task was taken over from an owner that died or stopped renewing its lease.
    TakenOver,
}

impl EventKind {
    /// Returns the event of a change that records an execution.
    pub(crate) fn of(change: &Change) -> Option<Self> {
        match (change.status, &change.error) {
            (TaskStatus::Success, _) => Some(Self::Succeeded),
            (TaskStatus::Failed, _) => Some(Self::Failed),
            (TaskStatus::Pending, Some(_)) => Some(Self::Retried),
            (TaskStatus::Pending, None) => Some(Self::Released),
            _ => None,
        }
    }
}

/// The sending side. Sending costs nothing while there are no listeners.
#[derive(Clone)]
pub(crate) struct Events {
    sender: broadcast::Sender<Event>,
    clock: Clock,
    /// Fired when the queue was closed: no event follows.
    closed: Arc<Token>,
}

impl Events {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            sender: broadcast::Sender::new(CAPACITY),
            clock,
            closed: Arc::default(),
        }
    }

    /// Ends all streams, once they have yielded the events that were sent before.
    pub(crate) fn close(&self) {
        self.closed.fire();
    }

    /// Subscribes to the events from now on.
    pub(crate) fn listen(&self) -> EventStream {
        let closed = Arc::clone(&self.closed);
        EventStream {
            events: BroadcastStream::new(self.sender.subscribe()),
            process: Process::current(),
            missed: 0,
            has_ended: false,
            closed: Box::pin(async move { closed.fired().await }),
        }
    }

    pub(crate) fn has_listeners(&self) -> bool {
        self.sender.receiver_count() > 0
    }

    pub(crate) fn notify(&self, id: TaskId, name: &str, queue: &str, kind: EventKind) {
        if self.has_listeners() {
            let event = Event {
                id,
                name: name.to_owned(),
                queue: queue.to_owned(),
                at: self.clock.now(),
                kind,
                missed: 0,
            };
            // An error means that the last listener was dropped just now.
            let _ = self.sender.send(event);
        }
    }

    pub(crate) fn notify_of(&self, task: &Task, kind: EventKind) {
        self.notify(task.id, &task.name, &task.queue, kind);
    }
}

/// The events of a queue, as a `futures_core::Stream` with a [`next`](Self::next) of its own. It yields what
/// happens after it was created. A listener that lags more than 1,024 events behind misses the oldest of them;
/// [`Event::missed`] of the next event says how many.
pub struct EventStream {
    events: BroadcastStream<Event>,
    process: Process,
    /// Events that were missed since the last one that was returned.
    missed: u64,
    has_ended: bool,
    /// Ready once the queue was closed.
    closed: Pin<Box<dyn Future<Output = ()> + Send + Sync>>,
}

impl EventStream {
    /// Returns the next event; `None` once the queue was [closed](crate::AsyncOmniQ::close) or all its clones,
    /// handles and pools are dropped, and in a forked child.
    pub async fn next(&mut self) -> Option<Event> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl Stream for EventStream {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        if !self.process.is_this() {
            return Poll::Ready(None);
        }
        loop {
            match Pin::new(&mut self.events).poll_next(cx) {
                Poll::Ready(Some(Ok(mut event))) => {
                    event.missed = std::mem::take(&mut self.missed);
                    return Poll::Ready(Some(event));
                }
                Poll::Ready(Some(Err(BroadcastStreamRecvError::Lagged(missed)))) => {
                    self.missed += missed;
                }
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => break,
            }
        }
        // A future must not be polled again after it was ready, but a listener may call `next` again.
        if self.has_ended || self.closed.as_mut().poll(cx).is_ready() {
            self.has_ended = true;
            return Poll::Ready(None);
        }
        Poll::Pending
    }
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EventStream")
    }
}
