//! A storage that fails on command and counts the calls that it gets.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use omniq::storage::*;
use omniq::storage::{Change, NewTask, OwnerId};
use omniq::{Error, ErrorKind, Result, Storage, Task, TaskId, Timestamp};
use tokio::sync::{Semaphore, watch};

use crate::setup::Open;

/// So many permits that no claim has to wait.
pub(crate) const MANY_PERMITS: usize = 1000;

/// Forwards each call to another storage, except that the next calls of an operation fail while its counter of failures is
/// above zero.
pub(crate) struct FailingStorage {
    inner: Arc<dyn Storage>,
    pub(crate) claim_failures: AtomicU32,
    pub(crate) settle_failures: AtomicU32,
    /// These settlements are written, but answered with an error.
    pub(crate) lost_settle_answers: AtomicU32,
    pub(crate) read_failures: AtomicU32,
    pub(crate) progress_failures: AtomicU32,
    /// The number of calls of `claim`.
    pub(crate) claim_calls: watch::Sender<u32>,
    /// The number of calls of `get` and `finished_or_unknown`.
    pub(crate) read_calls: AtomicU32,
    /// The number of tasks that calls of `get` asked for.
    pub(crate) tasks_read: AtomicU32,
    /// The answers of each successful call of `record_progress`.
    pub(crate) progress_answers: watch::Sender<Vec<Vec<bool>>>,
    /// A claim that found tasks needs a permit before it returns.
    pub(crate) claim_permits: Semaphore,
}

impl FailingStorage {
    pub(crate) fn new(open: Open) -> Arc<Self> {
        Self::wrap(open())
    }

    pub(crate) fn wrap(inner: Arc<dyn Storage>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            claim_failures: AtomicU32::new(0),
            settle_failures: AtomicU32::new(0),
            lost_settle_answers: AtomicU32::new(0),
            read_failures: AtomicU32::new(0),
            progress_failures: AtomicU32::new(0),
            claim_calls: watch::Sender::default(),
            read_calls: AtomicU32::new(0),
            tasks_read: AtomicU32::new(0),
            progress_answers: watch::Sender::default(),
            claim_permits: Semaphore::new(MANY_PERMITS),
        })
    }

    /// Counts one failure down and returns it as an error; returns `Ok` once there is none left.
    fn fail(failures: &AtomicU32) -> Result<()> {
        let one_less = |failures: u32| failures.checked_sub(1);
        match failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less) {
            Ok(_) => Err(Error::new(ErrorKind::Storage, "the disk is full").unknown()),
            Err(_) => Ok(()),
        }
    }
}

/// Whether the storage refuses this change, and every call that contains it.
fn is_refused(change: &Change) -> bool {
    let result = change.result.as_ref();
    result.is_some_and(|result| result.bytes == br#""refuse this""#)
}

impl Storage for FailingStorage {
    fn enqueue(&self, tasks: Vec<NewTask>, now: Timestamp) -> BoxFuture<'_, Result<Vec<Enqueued>>> {
        self.inner.enqueue(tasks, now)
    }

    fn claim(&self, request: ClaimRequest) -> BoxFuture<'_, Result<Claimed>> {
        Box::pin(async move {
            self.claim_calls.send_modify(|calls| *calls += 1);
            Self::fail(&self.claim_failures)?;
            let claimed = self.inner.claim(request).await?;
            if !claimed.tasks.is_empty() {
                let permit = self.claim_permits.acquire().await.unwrap();
                drop(permit);
            }
            Ok(claimed)
        })
    }

    fn renew(&self, leases: Vec<Lease>, lease_for: Duration) -> BoxFuture<'_, Result<Vec<Hold>>> {
        self.inner.renew(leases, lease_for)
    }

    fn held(&self, leases: Vec<Lease>) -> BoxFuture<'_, Result<Vec<Hold>>> {
        self.inner.held(leases)
    }

    fn record_progress(
        &self,
        updates: Vec<ProgressUpdate>,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Vec<bool>>> {
        Box::pin(async move {
            Self::fail(&self.progress_failures)?;
            let answers = self.inner.record_progress(updates, now).await?;
            self.progress_answers
                .send_modify(|all| all.push(answers.clone()));
            Ok(answers)
        })
    }

    fn settle(&self, changes: Vec<Change>, now: Timestamp) -> BoxFuture<'_, Result<Vec<Settled>>> {
        Box::pin(async move {
            Self::fail(&self.settle_failures)?;
            if changes.iter().any(is_refused) {
                return Err(Error::new(ErrorKind::Storage, "a trigger refuses it"));
            }
            let answers = self.inner.settle(changes, now).await?;
            Self::fail(&self.lost_settle_answers)?;
            Ok(answers)
        })
    }

    fn orphans(&self, monotonic: Duration, limit: usize) -> BoxFuture<'_, Result<Vec<Orphan>>> {
        self.inner.orphans(monotonic, limit)
    }

    fn mark_started(&self, owner: OwnerId, seat: usize, lease: Lease) {
        self.inner.mark_started(owner, seat, lease);
    }

    fn get(&self, ids: Vec<TaskId>) -> BoxFuture<'_, Result<Vec<Option<Task>>>> {
        Box::pin(async move {
            self.read_calls.fetch_add(1, Ordering::SeqCst);
            self.tasks_read
                .fetch_add(ids.len() as u32, Ordering::SeqCst);
            Self::fail(&self.read_failures)?;
            self.inner.get(ids).await
        })
    }

    fn finished_or_unknown(&self, ids: Vec<TaskId>) -> BoxFuture<'_, Result<Vec<TaskId>>> {
        Box::pin(async move {
            self.read_calls.fetch_add(1, Ordering::SeqCst);
            Self::fail(&self.read_failures)?;
            self.inner.finished_or_unknown(ids).await
        })
    }

    fn list_tasks(&self, filter: TaskFilter) -> BoxFuture<'_, Result<Vec<Task>>> {
        self.inner.list_tasks(filter)
    }

    fn stats(&self, now: Timestamp) -> BoxFuture<'_, Result<Vec<LaneStats>>> {
        self.inner.stats(now)
    }

    fn purge(&self, request: PurgeRequest) -> BoxFuture<'_, Result<u64>> {
        self.inner.purge(request)
    }

    fn watch(&self) -> Watch {
        self.inner.watch()
    }
}
