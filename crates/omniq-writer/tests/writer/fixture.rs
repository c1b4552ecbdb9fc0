//! A writer with a fake engine, and what the tests send to it.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use omniq_core::storage::{ClaimFilter, ClaimRequest, Claimed, Enqueued};
use omniq_core::{ErrorKind, Format, NewTask, OwnerId, Payload, Result, Timestamp};
use omniq_writer::{SharedData, Writer};

use crate::engine::{Control, FakeEngine, Point};

/// Nothing takes this long: a test that waits for this time has failed.
pub const CEILING: Duration = Duration::from_secs(20);

/// The time of the tests' writes.
pub const NOW: Timestamp = Timestamp(77);

/// A fixture whose batches never end because of the time, however busy the machine is.
pub type Fixture = FixtureWith<60_000>;

/// A fixture whose batches take no further command after this many milliseconds.
pub struct FixtureWith<const MAX_MILLIS: u64> {
    pub writer: Writer<FakeEngine<MAX_MILLIS>>,
    pub control: Arc<Control>,
}

/// A future that was polled once: its command was put into the inbox.
pub struct Sent<'a, T> {
    future: Pin<Box<dyn Future<Output = T> + 'a>>,
    answer: Option<T>,
}

impl<T> Sent<'_, T> {
    /// Waits for the answer.
    pub async fn answer(self) -> T {
        match self.answer {
            Some(answer) => answer,
            None => tokio::time::timeout(CEILING, self.future).await.unwrap(),
        }
    }

    /// Whether there is no answer yet.
    pub fn is_waiting(&mut self) -> bool {
        if self.answer.is_none()
            && let Poll::Ready(answer) = poll_once(&mut self.future)
        {
            self.answer = Some(answer);
        }
        self.answer.is_none()
    }
}

pub fn poll_once<T>(future: &mut (impl Future<Output = T> + Unpin)) -> Poll<T> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Sends a command without waiting for its answer.
pub fn send<'a, T>(command: impl Future<Output = T> + 'a) -> Sent<'a, T> {
    let mut sent = Sent {
        future: Box::pin(command),
        answer: None,
    };
    sent.is_waiting();
    sent
}

impl<const MAX_MILLIS: u64> FixtureWith<MAX_MILLIS> {
    /// Starts a writer whose data no other process uses.
    pub fn start() -> Self {
        Self::start_with(None)
    }

    /// Starts a writer whose data other processes may use.
    pub fn start_shared(data: &Path) -> Self {
        Self::start_with(Some(SharedData {
            data,
            identity: "the-id",
            arrivals: None,
        }))
    }

    fn start_with(shared: Option<SharedData<'_>>) -> Self {
        let control = Arc::new(Control::default());
        let engine = FakeEngine::new(control.clone());
        // Only what the tests do wakes the thread.
        let writer = Writer::start(engine, shared, Duration::from_secs(3_600)).unwrap();
        Self { writer, control }
    }

    pub fn enqueue(&self, name: &str) -> Sent<'_, Result<Vec<Enqueued>>> {
        send(self.writer.enqueue(vec![task(name)], NOW))
    }

    pub fn claim(&self, request: ClaimRequest) -> Sent<'_, Result<Claimed>> {
        send(self.writer.claim(request))
    }

    /// Waits until the thread has answered what was sent before.
    pub async fn round_trip(&self) {
        self.writer.renew(Vec::new(), Duration::ZERO).await.unwrap();
    }

    /// Sends a claim and waits until it is parked.
    pub async fn park(&self, owner: i64) -> Sent<'_, Result<Claimed>> {
        let parked = self.claim(request(owner).park(None));
        self.round_trip().await;
        self.control.steps();
        parked
    }

    /// Holds the thread at the beginning of a batch that changes nothing, so that the commands that are sent
    /// meanwhile form the next batch.
    pub fn hold_thread(&self) {
        self.control.hold(Point::Begin);
        // The command stays in the inbox although its caller is no longer there.
        drop(send(self.writer.renew(Vec::new(), Duration::ZERO)));
        self.control.wait_until_held();
    }

    /// Returns the steps after the batch of [`hold_thread`](Self::hold_thread).
    pub fn steps_since_hold(&self) -> Vec<String> {
        let mut steps = self.control.steps();
        assert_eq!(steps[..2], ["begin", "commit"]);
        steps.split_off(2)
    }
}

pub fn task(name: &str) -> NewTask {
    NewTask::new(name, "q", Payload::new(Format::Json, b"{}".to_vec()))
}

pub fn request(owner: i64) -> ClaimRequest {
    let owner = OwnerId::from_i64(owner).unwrap();
    ClaimRequest::new(
        owner,
        ClaimFilter::any(),
        Timestamp(0),
        Duration::from_secs(30),
    )
}

pub fn is_closed<T>(answer: &Result<T>) -> bool {
    matches!(answer, Err(error) if error.kind() == ErrorKind::Closed)
}

/// The names of the claimed tasks.
pub fn names(claimed: &Claimed) -> Vec<&str> {
    claimed
        .tasks
        .iter()
        .map(|task| task.name.as_str())
        .collect()
}
