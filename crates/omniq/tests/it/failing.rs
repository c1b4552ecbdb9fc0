//! A storage that fails when it is told to, and remembers what it was asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use omniq::storage::*;
use omniq::storage::{Change, NewTask, OwnerId};
use omniq::{Error, ErrorKind, Result, Storage, Task, TaskId, Timestamp};
use tokio::sync::{Semaphore, watch};

use crate::setup::Open;

/// The permits of a gate that stands open.
pub(crate) const OPEN: usize = 1000;

/// Passes everything on, but fails the first so many calls of an operation.
pub(crate) struct Failing {
    inner: Arc<dyn Storage>,
    /// How often it was asked for due tasks.
    pub(crate) asked: watch::Sender<u32>,
    pub(crate) claims: AtomicU32,
    pub(crate) settlements: AtomicU32,
    /// These are written, but answered with an error.
    pub(crate) lost_answers: AtomicU32,
    pub(crate) reads: AtomicU32,
    /// How often it was asked for tasks, or which of them have finished …
    pub(crate) looks: AtomicU32,
    /// … and how many tasks it was to hand out.
    pub(crate) read: AtomicU32,
    pub(crate) notes: AtomicU32,
    /// The answers to the notes of each call, but for those that failed.
    pub(crate) noted: watch::Sender<Vec<Vec<bool>>>,
    /// A claim that got something needs a permit to say so.
    pub(crate) answers: Semaphore,
}

impl Failing {
    pub(crate) fn new(open: Open) -> Arc<Self> {
        Self::around(open())
    }

    pub(crate) fn around(inner: Arc<dyn Storage>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            asked: watch::Sender::default(),
            claims: AtomicU32::new(0),
            settlements: AtomicU32::new(0),
            lost_answers: AtomicU32::new(0),
            reads: AtomicU32::new(0),
            looks: AtomicU32::new(0),
            read: AtomicU32::new(0),
            notes: AtomicU32::new(0),
            noted: watch::Sender::default(),
            answers: Semaphore::new(OPEN),
        })
    }

    fn fail(left: &AtomicU32) -> Result<()> {
        let one_less = |left: u32| left.checked_sub(1);
        match left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less) {
            Ok(_) => Err(Error::new(ErrorKind::Storage, "the disk is full").unknown()),
            Err(_) => Ok(()),
        }
    }
}

/// A change that this storage never takes, and neither the call that it comes with.
fn is_refused(change: &Change) -> bool {
    let result = change.result.as_ref();
    result.is_some_and(|result| result.bytes == br#""refuse this""#)
}

impl Storage for Failing {
    fn enqueue(&self, tasks: Vec<NewTask>, now: Timestamp) -> BoxFuture<'_, Result<Vec<Enqueued>>> {
        self.inner.enqueue(tasks, now)
    }

    fn claim(&self, request: ClaimRequest) -> BoxFuture<'_, Result<Claimed>> {
        Box::pin(async move {
            self.asked.send_modify(|asked| *asked += 1);
            Self::fail(&self.claims)?;
            let claimed = self.inner.claim(request).await?;
            if !claimed.tasks.is_empty() {
                let permit = self.answers.acquire().await.unwrap();
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
            Self::fail(&self.notes)?;
            let answers = self.inner.record_progress(updates, now).await?;
            self.noted.send_modify(|all| all.push(answers.clone()));
            Ok(answers)
        })
    }

    fn settle(&self, changes: Vec<Change>, now: Timestamp) -> BoxFuture<'_, Result<Vec<Settled>>> {
        Box::pin(async move {
            Self::fail(&self.settlements)?;
            if changes.iter().any(is_refused) {
                return Err(Error::new(ErrorKind::Storage, "a trigger refuses it"));
            }
            let answers = self.inner.settle(changes, now).await?;
            Self::fail(&self.lost_answers)?;
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
            self.looks.fetch_add(1, Ordering::SeqCst);
            self.read.fetch_add(ids.len() as u32, Ordering::SeqCst);
            Self::fail(&self.reads)?;
            self.inner.get(ids).await
        })
    }

    fn finished_or_unknown(&self, ids: Vec<TaskId>) -> BoxFuture<'_, Result<Vec<TaskId>>> {
        Box::pin(async move {
            self.looks.fetch_add(1, Ordering::SeqCst);
            Self::fail(&self.reads)?;
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
