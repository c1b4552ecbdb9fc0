//! Which held leases nobody looks after: their owner is gone, or they were not renewed for their full length.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::ipc::Started;
use omniq_core::OwnerId;
use omniq_core::storage::{HeldLease, Lease, LeaseWatch, OrphanReason};

use crate::neighbours::Neighbours;

/// A lease that somebody holds.
#[derive(Debug, Clone, Copy)]
pub struct OwnedLease {
    /// The lease.
    pub lease: HeldLease,
    /// Who holds it.
    pub owner: OwnerId,
}

/// A lease that nobody looks after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct OrphanedLease {
    /// The lease.
    pub lease: Lease,
    /// How it is known.
    pub reason: OrphanReason,
    /// Whether its handler had been started, or may have been.
    pub started: bool,
}

/// Remembers when it saw which lease. Clones share that memory.
#[derive(Clone)]
pub struct OrphanFinder {
    local: Arc<Neighbours>,
    watch: Arc<Mutex<LeaseWatch>>,
}

impl OrphanFinder {
    pub(crate) fn new(local: Arc<Neighbours>) -> Self {
        Self {
            local,
            watch: Arc::default(),
        }
    }

    /// Those of all held leases that nobody looks after, at most `limit`. `monotonic` is a reading of a clock
    /// that never jumps.
    pub fn find(
        &self,
        held: &[OwnedLease],
        monotonic: Duration,
        limit: usize,
    ) -> Vec<OrphanedLease> {
        let local = &self.local;
        let owners: HashSet<OwnerId> = held.iter().map(|held| held.owner).collect();
        let gone = local.gone(&owners);
        if !gone.is_empty() {
            local.forget_soon();
        }
        local.forget_idle(&owners, monotonic);
        let mut watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
        let over = watch.observe(held.iter().map(|held| held.lease), monotonic);
        let over: HashSet<Lease> = over.into_iter().collect();
        let mut notes: HashMap<OwnerId, Option<Started>> = HashMap::new();
        let mut lost = Vec::new();
        for OwnedLease { lease, owner } in held {
            let lease = lease.lease;
            let reason = match gone.contains_key(owner) {
                true => OrphanReason::OwnerDead,
                false if over.contains(&lease) => OrphanReason::LeaseExpired,
                false => continue,
            };
            if lost.len() == limit {
                break;
            }
            let noted = notes
                .entry(*owner)
                .or_insert_with(|| match gone.get(owner) {
                    Some(gone) => Some(gone.started()),
                    None => local.notes_of(*owner),
                });
            lost.push(OrphanedLease {
                lease,
                reason,
                started: noted.as_ref().is_none_or(|noted| noted.includes(lease)),
            });
        }
        lost
    }
}
