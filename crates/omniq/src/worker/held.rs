//! The leases that a pool answers for, from the claim until they are settled.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use omniq_core::storage::Lease;

use crate::context::Execution;

/// Keyed by lease: a task may be claimed anew before its last settlement is taken off the list.
#[derive(Default)]
pub(super) struct Held(Mutex<HashMap<Lease, Arc<Execution>>>);

impl Held {
    fn lock(&self) -> MutexGuard<'_, HashMap<Lease, Arc<Execution>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add<'a>(&self, executions: impl Iterator<Item = &'a Arc<Execution>>) {
        let by_lease = executions.map(|one| (one.task.lease(), Arc::clone(one)));
        self.lock().extend(by_lease);
    }

    pub(super) fn remove(&self, leases: impl Iterator<Item = Lease>) {
        let mut held = self.lock();
        leases.for_each(|lease| {
            held.remove(&lease);
        });
    }

    pub(super) fn leases(&self) -> Vec<Lease> {
        self.lock().keys().copied().collect()
    }

    pub(super) fn has(&self, lease: Lease) -> bool {
        self.lock().contains_key(&lease)
    }

    /// Tells the handlers of these leases to stop.
    pub(super) fn stop(&self, which: impl Fn(Lease) -> bool) {
        for (lease, execution) in self.lock().iter() {
            if which(*lease) {
                tracing::debug!(task = %lease.id, lease = lease.number, "the handler is told to stop");
                execution.stop.fire();
            }
        }
    }
}
