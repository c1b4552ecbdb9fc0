//! Which tasks the running pools of one queue take.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use omniq_core::Format;
use omniq_core::storage::ClaimFilter;

/// The running pools, by what they claim.
#[derive(Debug, Default)]
pub(crate) struct Pools {
    running: Mutex<Vec<Weak<Entry>>>,
}

/// Held by a pool while it runs.
#[derive(Debug)]
pub(crate) struct Entry {
    filter: Arc<ClaimFilter>,
}

impl Pools {
    /// Notes a pool for as long as it keeps the entry.
    pub(crate) fn enter(&self, filter: Arc<ClaimFilter>) -> Arc<Entry> {
        let entry = Arc::new(Entry { filter });
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|pool| pool.strong_count() > 0);
        running.push(Arc::downgrade(&entry));
        entry
    }

    /// Whether a running pool takes tasks of this lane.
    pub(crate) fn takes(&self, queue: &str, name: &str, format: Format) -> bool {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running
            .iter()
            .filter_map(Weak::upgrade)
            .any(|pool| pool.filter.takes(queue, name, format))
    }
}
