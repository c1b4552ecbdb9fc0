//! The leases that a pool holds, from the claim until the outcome is settled.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use omniq_core::TaskId;
use omniq_core::storage::{Lease, ProgressUpdate};

use crate::context::Execution;

/// The leases of a pool, with their executions.
#[derive(Default)]
pub(super) struct Held(Mutex<Leases>);

#[derive(Default)]
struct Leases {
    /// The key is the lease, because a task may be claimed again before its previous lease is removed.
    executions: HashMap<Lease, Arc<Execution>>,
    /// The signals since the start of the claim in progress. They may be about tasks in its answer.
    during_claim: Option<SignalsDuringClaim>,
}

/// The signals that arrive while a claim is in progress.
#[derive(Default)]
struct SignalsDuringClaim {
    cancelled: HashSet<TaskId>,
    /// A signal arrived that did not say which tasks it is about.
    unknown: bool,
}

impl Held {
    fn lock(&self) -> MutexGuard<'_, Leases> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts to collect signals for a claim that is about to be sent.
    pub(super) fn start_claim(&self) {
        self.lock().during_claim = Some(SignalsDuringClaim::default());
    }

    /// Adds the executions in the answer of a claim. Returns whether one of their tasks may have been cancelled since the
    /// claim started.
    pub(super) fn add<'a>(&self, executions: impl Iterator<Item = &'a Arc<Execution>>) -> bool {
        let mut leases = self.lock();
        let signals = leases.during_claim.take().unwrap_or_default();
        let mut maybe_cancelled = false;
        for execution in executions {
            let task = &execution.task;
            maybe_cancelled |= signals.unknown || signals.cancelled.contains(&task.id);
            leases
                .executions
                .insert(task.lease(), Arc::clone(execution));
        }
        maybe_cancelled
    }

    pub(super) fn remove(&self, settled: impl Iterator<Item = Lease>) {
        let mut leases = self.lock();
        for lease in settled {
            leases.executions.remove(&lease);
        }
    }

    /// Returns all leases after a signal that does not say which tasks it is about. The tasks in the answer of a claim in
    /// progress will be checked, too.
    pub(super) fn leases_after_unknown(&self) -> Vec<Lease> {
        if let Some(signals) = &mut self.lock().during_claim {
            signals.unknown = true;
        }
        self.leases()
    }

    pub(super) fn leases(&self) -> Vec<Lease> {
        self.lock().executions.keys().copied().collect()
    }

    /// Takes the progress that is not stored yet, and returns it with its executions.
    pub(super) fn take_updates(&self) -> (Vec<Arc<Execution>>, Vec<ProgressUpdate>) {
        let leases = self.lock();
        let executions = leases.executions.values();
        executions
            .filter_map(|execution| Some((Arc::clone(execution), execution.take_update()?)))
            .unzip()
    }

    pub(super) fn has(&self, lease: Lease) -> bool {
        self.lock().executions.contains_key(&lease)
    }

    /// Records that these tasks were cancelled, and returns their leases. The signal may be late: a task that has been
    /// requeued and claimed again since then is not cancelled any more, so the caller must check the leases.
    pub(super) fn record_cancelled(&self, ids: &[TaskId]) -> Vec<Lease> {
        let mut leases = self.lock();
        if let Some(signals) = &mut leases.during_claim {
            signals.cancelled.extend(ids);
        }
        let ids: HashSet<_> = ids.iter().collect();
        let held = leases.executions.keys().copied();
        held.filter(|lease| ids.contains(&lease.id)).collect()
    }

    /// Asks the handlers of these leases to stop.
    pub(super) fn stop(&self, which: impl Fn(Lease) -> bool) {
        for (lease, execution) in &self.lock().executions {
            if which(*lease) {
                tracing::debug!(task = %lease.id, lease = lease.number, "asked a handler to stop");
                execution.stop.fire();
            }
        }
    }
}
