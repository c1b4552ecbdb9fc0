//! The reference storage of OmniQ: maps behind one lock. It is for tests, and for tasks that may be lost with
//! the process.
//!
//! | where | what |
//! | --- | --- |
//! | `state` | the tasks, and the operations on them |
//! | `settle` | the guarded change of one task, and its effects |
//! | `index` | finds tasks by owner, unique key, series and finish |
//! | `lanes` | finds the tasks that are claimed next |
//! | `ids` | assigns the ids of tasks |
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod ids;
mod index;
mod lanes;
mod settle;
mod state;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use omniq_core::storage::{
    BoxFuture, ClaimRequest, Claimed, Effects, Enqueued, Hold, LaneStats, Lease, Orphan,
    ProgressUpdate, PurgeRequest, Settled, Signal, TaskFilter, Watch,
};
use omniq_core::{Change, Error, ErrorKind, NewTask, Result, Storage, Task, TaskId, Timestamp};
use tokio::sync::{broadcast, watch};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::BroadcastStream;

use crate::state::State;

/// How many signals a listener may fall behind before it gets [`Signal::Unknown`].
const SIGNALS: usize = 1024;

/// Stores tasks in the memory of this process.
///
/// [Closing](Storage::close) it deletes the tasks.
#[derive(Debug)]
pub struct MemoryStorage {
    /// `None` once the storage is closed.
    open: Mutex<Option<Open>>,
    /// The time of the last write that added work. Parked claims wait for the next one, or for the close.
    work_added: watch::Sender<Timestamp>,
}

#[derive(Debug)]
struct Open {
    state: State,
    signals: broadcast::Sender<Signal>,
}

impl MemoryStorage {
    /// Returns an empty storage.
    pub fn new() -> Self {
        let open = Open {
            state: State::default(),
            signals: broadcast::Sender::new(SIGNALS),
        };
        Self {
            open: Mutex::new(Some(open)),
            work_added: watch::Sender::new(Timestamp::default()),
        }
    }

    /// Operations are atomic and do not panic partially, so the state behind a poisoned lock is still complete.
    fn lock(&self) -> MutexGuard<'_, Option<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs an operation on the state.
    ///
    /// # Errors
    ///
    /// Of kind [`ErrorKind::Closed`], if the storage is closed.
    fn with<T>(&self, operation: impl FnOnce(&mut State) -> T) -> Result<T> {
        match self.lock().as_mut() {
            Some(open) => Ok(operation(&mut open.state)),
            None => Err(Error::new(
                ErrorKind::Closed,
                "the memory storage is closed: open a new one",
            )),
        }
    }

    fn notify(&self, effects: Effects) {
        if let Some(now) = effects.work_added {
            self.work_added.send_replace(now);
        }
        if let Some(open) = self.lock().as_ref() {
            for signal in effects.into_signals() {
                // An error means that there are no listeners.
                let _ = open.signals.send(signal);
            }
        }
    }
}

impl Default for MemoryStorage {
    fn default() -> Self {
        Self::new()
    }
}

impl Storage for MemoryStorage {
    fn enqueue(&self, tasks: Vec<NewTask>, now: Timestamp) -> BoxFuture<'_, Result<Vec<Enqueued>>> {
        Box::pin(async move {
            let answers = self.with(|state| state.enqueue(tasks, now))??;
            if answers.iter().any(|a| matches!(a, Enqueued::New(_))) {
                let mut effects = Effects::default();
                effects.add_work(now);
                self.notify(effects);
            }
            Ok(answers)
        })
    }

    // Tasks are claimed in the same poll that returns them, so a dropped future leaves none claimed.
    fn claim(&self, request: ClaimRequest) -> BoxFuture<'_, Result<Claimed>> {
        Box::pin(async move {
            let mut now = request.now;
            // Subscribes before the first query, so that work which is added right after it is not missed.
            let mut work_added = self.work_added.subscribe();
            loop {
                let found = self.with(|state| state.claim(&request, now))?;
                if request.is_answered_by(&found) || work_added.changed().await.is_err() {
                    return Ok(found);
                }
                now = *work_added.borrow_and_update();
            }
        })
    }

    fn renew(&self, leases: Vec<Lease>, lease_for: Duration) -> BoxFuture<'_, Result<Vec<Hold>>> {
        Box::pin(async move { self.with(|state| state.renew(&leases, lease_for)) })
    }

    fn held(&self, leases: Vec<Lease>) -> BoxFuture<'_, Result<Vec<Hold>>> {
        Box::pin(async move { self.with(|state| state.held(&leases)) })
    }

    fn record_progress(
        &self,
        updates: Vec<ProgressUpdate>,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Vec<bool>>> {
        Box::pin(async move { self.with(|state| state.record_progress(updates, now)) })
    }

    fn settle(&self, changes: Vec<Change>, now: Timestamp) -> BoxFuture<'_, Result<Vec<Settled>>> {
        Box::pin(async move {
            let (answers, effects) = self.with(|state| state.settle(changes, now))??;
            self.notify(effects);
            Ok(answers)
        })
    }

    fn orphans(&self, monotonic: Duration, limit: usize) -> BoxFuture<'_, Result<Vec<Orphan>>> {
        Box::pin(async move { self.with(|state| state.orphans(monotonic, limit)) })
    }

    fn get(&self, ids: Vec<TaskId>) -> BoxFuture<'_, Result<Vec<Option<Task>>>> {
        Box::pin(async move { self.with(|state| state.get(&ids)) })
    }

    fn list_tasks(&self, filter: TaskFilter) -> BoxFuture<'_, Result<Vec<Task>>> {
        Box::pin(async move { self.with(|state| state.list(&filter)) })
    }

    fn stats(&self, now: Timestamp) -> BoxFuture<'_, Result<Vec<LaneStats>>> {
        Box::pin(async move { self.with(|state| state.stats(now)) })
    }

    fn purge(&self, request: PurgeRequest) -> BoxFuture<'_, Result<u64>> {
        Box::pin(async move { self.with(|state| state.purge(&request)) })
    }

    fn watch(&self) -> Watch {
        match self.lock().as_ref() {
            Some(open) => {
                let signals = BroadcastStream::new(open.signals.subscribe());
                Box::pin(signals.map(|signal| signal.unwrap_or(Signal::Unknown)))
            }
            None => Box::pin(tokio_stream::empty()),
        }
    }

    // Dropping the sender of the signals ends all streams.
    fn close(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            drop(self.lock().take());
            // Parked claims retry, and find the storage closed.
            self.work_added.send_modify(|_| {});
            Ok(())
        })
    }
}
