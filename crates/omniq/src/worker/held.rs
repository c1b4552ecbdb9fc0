//! The leases that a pool answers for, from the claim until they are settled.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use omniq_core::TaskId;
use omniq_core::storage::{Lease, ProgressUpdate};

use crate::context::Execution;

#[derive(Default)]
pub(super) struct Held(Mutex<Book>);

#[derive(Default)]
struct Book {
    /// By lease: a task may be claimed anew before its last settlement is taken off the list.
    executions: HashMap<Lease, Arc<Execution>>,
    /// What was heard while a claim was under way: it may be about a task that comes with the answer.
    heard: Option<Heard>,
}

#[derive(Default)]
struct Heard {
    cancelled: HashSet<TaskId>,
    unknown: bool,
}

impl Held {
    fn lock(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A claim begins: from now on, what is heard is kept for its answer.
    pub(super) fn claim_begins(&self) {
        self.lock().heard = Some(Heard::default());
    }

    /// A claim was answered with these; says whether one of them may have been cancelled meanwhile.
    pub(super) fn add<'a>(&self, executions: impl Iterator<Item = &'a Arc<Execution>>) -> bool {
        let mut book = self.lock();
        let heard = book.heard.take().unwrap_or_default();
        let mut doubtful = false;
        for one in executions {
            doubtful |= heard.unknown || heard.cancelled.contains(&one.task.id);
            book.executions.insert(one.task.lease(), Arc::clone(one));
        }
        doubtful
    }

    pub(super) fn remove(&self, leases: impl Iterator<Item = Lease>) {
        let mut book = self.lock();
        leases.for_each(|lease| {
            book.executions.remove(&lease);
        });
    }

    /// All of them; the answer of a claim that is under way will be looked at once more.
    pub(super) fn leases_after_unknown(&self) -> Vec<Lease> {
        if let Some(heard) = &mut self.lock().heard {
            heard.unknown = true;
        }
        self.leases()
    }

    pub(super) fn leases(&self) -> Vec<Lease> {
        self.lock().executions.keys().copied().collect()
    }

    /// The executions with a progress that nobody has written down yet, and that progress.
    pub(super) fn take_updates(&self) -> (Vec<Arc<Execution>>, Vec<ProgressUpdate>) {
        let book = self.lock();
        let told = |one: &Arc<Execution>| Some((Arc::clone(one), one.take_update()?));
        book.executions.values().filter_map(told).unzip()
    }

    pub(super) fn has(&self, lease: Lease) -> bool {
        self.lock().executions.contains_key(&lease)
    }

    /// Records that these tasks were cancelled, and returns the leases that this may be about. The signal may be
    /// late: a task that was requeued and claimed again since then is not cancelled any more, so the caller
    /// checks the leases.
    pub(super) fn record_cancelled(&self, ids: &[TaskId]) -> Vec<Lease> {
        let mut book = self.lock();
        if let Some(heard) = &mut book.heard {
            heard.cancelled.extend(ids);
        }
        let ids: HashSet<_> = ids.iter().collect();
        let leases = book.executions.keys().copied();
        leases.filter(|lease| ids.contains(&lease.id)).collect()
    }

    /// Tells the handlers of these leases to stop.
    pub(super) fn stop(&self, which: impl Fn(Lease) -> bool) {
        for (lease, execution) in &self.lock().executions {
            if which(*lease) {
                tracing::debug!(task = %lease.id, lease = lease.number, "told to stop");
                execution.stop.fire();
            }
        }
    }
}
