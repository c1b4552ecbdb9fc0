//! The reference storage of OmniQ: maps behind one lock. For tests, and for work that may be lost with
//! the process.
//!
//! | where | what |
//! | --- | --- |
//! | `state` | the tasks, and the operations on them |
//! | `settle` | the guarded change of one task, and what it calls out |
//! | `index` | what finds tasks otherwise than by id |
//! | `lanes` | who is claimed next |
//! | `ids` | the numbers that tasks get |
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
use omniq_core::{Change, NewTask, Result, Storage, Task, TaskId, Timestamp};
use tokio::sync::{broadcast, watch};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::BroadcastStream;

use crate::state::State;

/// How many signals a listener may fall behind before it is told [`Signal::Unknown`].
const SIGNALS: usize = 1024;

/// Keeps tasks in this process's memory.
#[derive(Debug)]
pub struct MemoryStorage {
    state: Mutex<State>,
    /// The time of the last write that added work: parked claims wait for the next one.
    added: watch::Sender<Timestamp>,
    signals: broadcast::Sender<Signal>,
}

impl MemoryStorage {
    /// An empty storage.
    pub fn new() -> Self {
        Self {
            state: Mutex::default(),
            added: watch::Sender::new(Timestamp::default()),
            signals: broadcast::Sender::new(SIGNALS),
        }
    }

    /// Each operation is all or nothing without panics half-way, so that a poisoned lock still guards a
    /// whole state.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn notify(&self, effects: Effects) {
        if let Some(now) = effects.work_added {
            self.added.send_replace(now);
        }
        for signal in effects.into_signals() {
            // An error means that nobody listens.
            let _ = self.signals.send(signal);
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
            let answers = self.lock().enqueue(tasks, now)?;
            if answers.iter().any(|a| matches!(a, Enqueued::New(_))) {
                let mut effects = Effects::default();
                effects.add_work(now);
                self.notify(effects);
            }
            Ok(answers)
        })
    }

    // Tasks are taken in the very poll that answers, so that a dropped future strands none.
    fn claim(&self, request: ClaimRequest) -> BoxFuture<'_, Result<Claimed>> {
        Box::pin(async move {
            let mut now = request.now;
            // Before the first look, so that work which comes right after it is not missed.
            let mut added = self.added.subscribe();
            loop {
                let found = self.lock().claim(&request, now);
                if request.is_answered_by(&found) || added.changed().await.is_err() {
                    return Ok(found);
                }
                now = *added.borrow_and_update();
            }
        })
    }

    fn renew(&self, leases: Vec<Lease>, lease_for: Duration) -> BoxFuture<'_, Result<Vec<Hold>>> {
        Box::pin(async move { Ok(self.lock().renew(&leases, lease_for)) })
    }

    fn held(&self, leases: Vec<Lease>) -> BoxFuture<'_, Result<Vec<Hold>>> {
        Box::pin(async move { Ok(self.lock().held(&leases)) })
    }

    fn record_progress(
        &self,
        updates: Vec<ProgressUpdate>,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Vec<bool>>> {
        Box::pin(async move { Ok(self.lock().record_progress(updates, now)) })
    }

    fn settle(&self, changes: Vec<Change>, now: Timestamp) -> BoxFuture<'_, Result<Vec<Settled>>> {
        Box::pin(async move {
            let (answers, effects) = self.lock().settle(changes, now)?;
            self.notify(effects);
            Ok(answers)
        })
    }

    fn orphans(&self, monotonic: Duration, limit: usize) -> BoxFuture<'_, Result<Vec<Orphan>>> {
        Box::pin(async move { Ok(self.lock().orphans(monotonic, limit)) })
    }

    fn get(&self, ids: Vec<TaskId>) -> BoxFuture<'_, Result<Vec<Option<Task>>>> {
        Box::pin(async move { Ok(self.lock().get(&ids)) })
    }

    fn list_tasks(&self, filter: TaskFilter) -> BoxFuture<'_, Result<Vec<Task>>> {
        Box::pin(async move { Ok(self.lock().list(&filter)) })
    }

    fn stats(&self, now: Timestamp) -> BoxFuture<'_, Result<Vec<LaneStats>>> {
        Box::pin(async move { Ok(self.lock().stats(now)) })
    }

    fn purge(&self, request: PurgeRequest) -> BoxFuture<'_, Result<u64>> {
        Box::pin(async move { Ok(self.lock().purge(&request)) })
    }

    fn watch(&self) -> Watch {
        let signals = BroadcastStream::new(self.signals.subscribe());
        Box::pin(signals.map(|signal| signal.unwrap_or(Signal::Unknown)))
    }
}
