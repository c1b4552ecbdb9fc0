//! What happens to tasks in this process, as it happens.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use omniq_core::{Change, Task, TaskId, TaskStatus, Timestamp};
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;

use crate::clock::Clock;

/// How many events a listener may lag behind before it misses the oldest.
const CAPACITY: usize = 1024;

/// Something that happened to a task through this [`AsyncOmniQ`](crate::AsyncOmniQ), its clones and
/// pools. It is told after the write that records it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Event {
    /// The task.
    pub id: TaskId,
    /// The task's name.
    pub name: String,
    /// Its queue.
    pub queue: String,
    /// When it was told.
    pub at: Timestamp,
    /// What happened.
    pub kind: EventKind,
}

/// What happened to a task.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum EventKind {
    /// It is new. A quick pool may tell of its start before the enqueue that is still to return tells this.
    Enqueued,
    /// An attempt began.
    Started,
    /// The handler told how far it is.
    Progressed {
        /// From 0 to 1.
        fraction: f64,
        /// In the handler's words.
        message: String,
    },
    /// It ended with a result.
    Succeeded,
    /// The attempt failed, and another one will follow.
    Retried,
    /// It ended with an error.
    Failed,
    /// It was cancelled.
    Cancelled,
    /// It was given back as if it had not been claimed.
    Released,
    /// It was taken over from an owner that died or fell silent.
    TakenOver,
}

impl EventKind {
    /// What an execution's change means to a listener.
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

/// The sending side. Telling costs nothing while nobody listens.
#[derive(Debug, Clone)]
pub(crate) struct Events {
    sender: broadcast::Sender<Event>,
    clock: Clock,
}

impl Events {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            sender: broadcast::Sender::new(CAPACITY),
            clock,
        }
    }

    pub(crate) fn listen(&self) -> EventStream {
        EventStream(BroadcastStream::new(self.sender.subscribe()))
    }

    pub(crate) fn anyone_listens(&self) -> bool {
        self.sender.receiver_count() > 0
    }

    pub(crate) fn tell(&self, id: TaskId, name: &str, queue: &str, kind: EventKind) {
        if self.anyone_listens() {
            let event = Event {
                id,
                name: name.to_owned(),
                queue: queue.to_owned(),
                at: self.clock.now(),
                kind,
            };
            // An error means that the last listener left just now.
            let _ = self.sender.send(event);
        }
    }

    pub(crate) fn tell_of(&self, task: &Task, kind: EventKind) {
        self.tell(task.id, &task.name, &task.queue, kind);
    }
}

/// A listener's side: a `futures_core::Stream`, with a [`next`](Self::next) of its own. It sees what happens after it
/// was made; one that lags more than 1,024 events behind misses the oldest.
pub struct EventStream(BroadcastStream<Event>);

impl EventStream {
    /// The next event; `None` once the [`AsyncOmniQ`](crate::AsyncOmniQ), its clones, handles and pools
    /// are gone.
    pub async fn next(&mut self) -> Option<Event> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl Stream for EventStream {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        loop {
            match ready!(Pin::new(&mut self.0).poll_next(cx)) {
                Some(Ok(event)) => return Poll::Ready(Some(event)),
                Some(Err(lagged)) => tracing::debug!(%lagged, "a listener missed events"),
                None => return Poll::Ready(None),
            }
        }
    }
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EventStream")
    }
}
