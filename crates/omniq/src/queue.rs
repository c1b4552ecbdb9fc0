//! The engine: tasks go in, are claimed, settled and looked at. Every write is decided in `omniq-core`.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use omniq_core::settle;
use omniq_core::storage::{ClaimFilter, PurgeRequest, Settled, TaskFilter};
use omniq_core::{
    Change, Format, Outcome, OwnerId, Result, Storage, Task, TaskError, TaskId, TaskResult,
};
use serde::Serialize;

use crate::claim::Claim;
use crate::clock::Clock;
use crate::error::no_answer;
use crate::events::{EventKind, Events};
use crate::handler::{Ended, encode_result, fits};
use crate::poller::Poller;
use crate::process::Background;
use crate::process::ForkGuard;
use crate::process::Process;
use crate::seat_number::SeatNumber;
use crate::{Settings, clock, process};

/// A task queue without workers, for programs that write their own loop. Clones are the same queue.
///
/// A complete worker loop:
///
/// ```
/// # use std::{sync::Arc, time::Duration};
/// # use omniq::{AsyncTaskQueue, MemoryStorage, Parameter, Settings, TaskError, call};
/// const PARAMETERS: &[Parameter] = &[Parameter::new("number")];
///
/// async fn work(queue: &AsyncTaskQueue) -> omniq::Result<()> {
///     while let Some(claim) = queue.dequeue(&["sums"], Duration::from_millis(50)).await? {
///         let outcome = match claim.name.as_str() {
///             "double" => claim.payload.bind(PARAMETERS).map(|(n,): (i64,)| n * 2),
///             other => Err(TaskError::fatal(format!("nobody handles {other:?}"))),
///         };
///         match outcome {
///             Ok(value) => queue.complete_task(claim, value).await?,
///             Err(error) => queue.fail_task(claim, error).await?,
///         };
///     }
///     Ok(())
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> omniq::Result<()> {
/// let queue = AsyncTaskQueue::new(Arc::new(MemoryStorage::new()), &Settings::default())?;
/// let id = queue.enqueue(call("double").arg(21).queue("sums")).await?;
/// work(&queue).await?;
/// let result = queue.get_result(id).await?.expect("it has run");
/// assert_eq!(result.decode::<i64>()?, 42);
/// # Ok(()) }
/// ```
///
/// A [`Claim`] renews its lease by itself. Dropped without being settled, it is given back.
#[derive(Clone)]
pub struct AsyncTaskQueue {
    inner: Arc<Inner>,
}

struct Inner {
    storage: Arc<dyn Storage>,
    settings: Settings,
    clock: Clock,
    process: Process,
    owner: OwnerId,
    events: Events,
    /// Kept from the first claim on.
    heart: OnceLock<Arc<Background>>,
}

impl AsyncTaskQueue {
    /// A queue on a storage.
    pub fn new(storage: Arc<dyn Storage>, settings: &Settings) -> Result<Self> {
        Self::with_clock(storage, settings, Clock::system())
    }

    pub(crate) fn with_clock(
        storage: Arc<dyn Storage>,
        settings: &Settings,
        clock: Clock,
    ) -> Result<Self> {
        let inner = Inner {
            storage: Arc::new(ForkGuard::new(storage)),
            settings: settings.clone(),
            process: Process::current(),
            owner: process::this_process(),
            events: Events::new(clock.clone()),
            clock,
            heart: OnceLock::new(),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    pub(crate) fn storage(&self) -> &Arc<dyn Storage> {
        &self.inner.storage
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    pub(crate) fn events(&self) -> &Events {
        &self.inner.events
    }

    /// The process that it belongs to.
    pub(crate) fn process(&self) -> Process {
        self.inner.process
    }

    fn heart(&self) -> Result<&Background> {
        match self.inner.heart.get() {
            Some(heart) => Ok(heart),
            None => {
                let heart = Background::of_this_process()?;
                Ok(self.inner.heart.get_or_init(|| heart))
            }
        }
    }

    /// Tells the storage that a claimed task's handler starts.
    pub(crate) fn note_start(&self, seat: &SeatNumber, task: &Task) {
        let owner = self.inner.owner;
        self.storage().mark_started(owner, seat.get(), task.lease());
    }

    /// Due tasks that the filter takes, for a loop that claims.
    pub(crate) fn due_tasks(&self, filter: Arc<ClaimFilter>) -> Poller {
        let settings = self.settings();
        let (storage, clock) = (Arc::clone(self.storage()), self.clock().clone());
        let (lease, poll) = (settings.lease(), settings.poll_interval());
        Poller::new(storage, clock, self.inner.owner, filter, lease, poll)
    }

    /// Claims the next due task of these queues (of every queue, if none is named), whatever its name;
    /// waits at most `wait` for one. `None` if there was none.
    ///
    /// Tasks in a format that this build can't read stay where they are. Dropping the future strands
    /// nothing.
    pub async fn dequeue(&self, queues: &[&str], wait: Duration) -> Result<Option<Claim>> {
        let mut filter = ClaimFilter::any().formats(Format::READABLE.iter().copied());
        if !queues.is_empty() {
            filter = filter.queues(queues.iter().copied());
        }
        self.process().check()?;
        let heart = self.heart()?;
        let mut due = self.due_tasks(Arc::new(filter));
        let begin = clock::instant();
        loop {
            let left = wait.saturating_sub(begin.elapsed());
            if let Some(task) = due.claim(1, tokio::time::sleep(left)).await?.pop() {
                self.events().tell_of(&task, EventKind::Started);
                return Ok(Some(Claim::new(self.clone(), heart, task)));
            }
            if left.is_zero() {
                return Ok(None);
            }
        }
    }

    /// Records a claimed task's success. `false` if the claim was no longer valid: it was cancelled,
    /// taken over or purged, and nothing was written.
    ///
    /// A value that can't be written, or is larger than the limit, fails the task with an error of type
    /// `result`. If the storage fails, the task is released.
    pub async fn complete_task(&self, claim: Claim, value: impl Serialize) -> Result<bool> {
        let outcome = match self.encode_result(claim.payload.format, &value) {
            Ok(result) => Outcome::Succeeded {
                result,
                then: Vec::new(),
            },
            Err(error) => Outcome::Failed(error),
        };
        self.settle_claim(claim, outcome).await
    }

    /// Records that a claimed task's attempt failed; whether there is another is decided from the error
    /// and the attempts left. `false` as in [`complete_task`](Self::complete_task).
    pub async fn fail_task(&self, claim: Claim, error: TaskError) -> Result<bool> {
        self.settle_claim(claim, Outcome::Failed(error)).await
    }

    /// Gives a claimed task back as if it had not been claimed. `false` as in
    /// [`complete_task`](Self::complete_task).
    pub async fn release_task(&self, claim: Claim) -> Result<bool> {
        self.settle_claim(claim, Outcome::Released).await
    }

    pub(crate) fn encode_result<T: Serialize + ?Sized>(&self, format: Format, value: &T) -> Ended {
        let result = encode_result(format, value)?;
        fits(&result, self.settings().max_payload())?;
        Ok(result)
    }

    async fn settle_claim(&self, claim: Claim, outcome: Outcome) -> Result<bool> {
        let done = self.settle_task(&claim, outcome).await?;
        claim.settled();
        Ok(done)
    }

    pub(crate) async fn settle_task(&self, task: &Task, outcome: Outcome) -> Result<bool> {
        let now = self.clock().now();
        let change = settle::settle(task, outcome, now, fastrand::f64())?;
        let told = EventKind::of(&change);
        let answer = self.write(change).await?;
        let mut done = answer == Settled::Applied;
        if let (true, Some(kind)) = (done, &told) {
            self.events().tell_of(task, kind.clone());
        } else if answer.is_success_under(task.lease) {
            self.events().tell_of(task, EventKind::Succeeded);
            done = told == Some(EventKind::Succeeded);
        } else if answer.is_cancelled_under(task.lease) {
            self.write(Change::release_cancelled(task)).await?;
        }
        Ok(done)
    }

    pub(crate) async fn write(&self, change: Change) -> Result<Settled> {
        let answers = self
            .storage()
            .settle(vec![change], self.clock().now())
            .await?;
        answers.first().copied().ok_or_else(no_answer)
    }

    /// The task of this id; `None` if there is none.
    pub async fn get_task(&self, id: TaskId) -> Result<Option<Task>> {
        let found = self.storage().get(vec![id]).await?;
        Ok(found.into_iter().next().flatten())
    }

    /// How the task ended; `None` while it has not, or if there is no such task.
    pub async fn get_result(&self, id: TaskId) -> Result<Option<TaskResult>> {
        Ok(self.get_task(id).await?.and_then(|task| task.outcome()))
    }

    /// Tasks by id, from the oldest.
    pub async fn list_tasks(&self, filter: TaskFilter) -> Result<Vec<Task>> {
        self.storage().list_tasks(filter).await
    }

    /// Forgets what the request takes, batch by batch, until nothing is left of it.
    pub(crate) async fn purge(&self, request: PurgeRequest) -> Result<u64> {
        let mut total = 0;
        loop {
            match self.storage().purge(request.clone()).await? {
                0 => return Ok(total),
                gone => total += gone,
            }
            tokio::task::yield_now().await;
        }
    }
}

impl fmt::Debug for AsyncTaskQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncTaskQueue").finish_non_exhaustive()
    }
}
