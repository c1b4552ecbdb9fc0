//! Finds orphaned leases: their owner is dead, or no renewal was seen for the length of the lease.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use omniq_core::OwnerId;
use omniq_core::storage::{HeldLease, Lease, LeaseWatch, OrphanReason};

use crate::ipc::Started;
use crate::mutex::lock;
use crate::neighbours::Neighbours;

/// A lease, and the owner that holds it.
#[derive(Debug, Clone, Copy)]
pub struct OwnedLease {
    /// The lease.
    pub lease: HeldLease,
    /// The owner.
    pub owner: OwnerId,
}

/// A lease whose owner no longer takes care of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct OrphanedLease {
    /// The lease.
    pub lease: Lease,
    /// Why it is orphaned.
    pub reason: OrphanReason,
    /// Whether its handler had been started, or may have been.
    pub started: bool,
}

/// Remembers when it saw which lease. Clones share that memory.
#[derive(Clone)]
pub struct OrphanFinder {
    neighbours: Arc<Neighbours>,
    watch: Arc<Mutex<LeaseWatch>>,
}

impl OrphanFinder {
    pub(crate) fn new(neighbours: Arc<Neighbours>) -> Self {
        Self {
            neighbours,
            watch: Arc::default(),
        }
    }

    /// Returns the orphans among all held leases, at most `limit`. `monotonic` is a reading of a clock that never
    /// jumps.
    pub fn find(
        &self,
        held: &[OwnedLease],
        monotonic: Duration,
        limit: usize,
    ) -> Vec<OrphanedLease> {
        let neighbours = &self.neighbours;
        let owners: HashSet<OwnerId> = held.iter().map(|held| held.owner).collect();
        let dead = neighbours.dead(&owners);
        if !dead.is_empty() {
            neighbours.forget_soon();
        }
        neighbours.forget_idle(&owners, monotonic);
        let expired = lock(&self.watch).observe(held.iter().map(|held| held.lease), monotonic);
        let expired: HashSet<Lease> = expired.into_iter().collect();
        let mut started_by: HashMap<OwnerId, Option<Started>> = HashMap::new();
        let mut orphans = Vec::new();
        for OwnedLease { lease, owner } in held {
            let lease = lease.lease;
            let reason = match dead.contains_key(owner) {
                true => OrphanReason::OwnerDead,
                false if expired.contains(&lease) => OrphanReason::LeaseExpired,
                false => continue,
            };
            if orphans.len() == limit {
                break;
            }
            let started = started_by
                .entry(*owner)
                .or_insert_with(|| match dead.get(owner) {
                    Some(dead) => Some(dead.started()),
                    None => neighbours.started_by(*owner),
                });
            let started = started.as_ref().is_none_or(|set| set.includes(lease));
            orphans.push(OrphanedLease {
                lease,
                reason,
                started,
            });
        }
        orphans
    }
}
