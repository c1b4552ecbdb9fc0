//! Detects expired leases on a monotonic clock.

use std::collections::HashMap;
use std::time::Duration;

use crate::storage::Lease;

/// Detects expired leases: a lease has expired if it was seen unrenewed for its full length on one monotonic
/// clock. Wall clocks are never compared, so a wall clock that jumps costs no lease.
#[derive(Debug, Default)]
pub struct LeaseWatch {
    seen: HashMap<Lease, Observation>,
}

#[derive(Debug, Clone, Copy)]
struct Observation {
    beats: u64,
    /// The first reading of the clock at which the lease had this renewal count.
    since: Duration,
}

/// A held lease, as a storage has it.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct HeldLease {
    /// The lease.
    pub lease: Lease,
    /// The renewal count.
    pub beats: u64,
    /// The length of the lease.
    pub lease_for: Duration,
}

impl HeldLease {
    /// Returns a lease of this length that was renewed `beats` times.
    pub const fn new(lease: Lease, beats: u64, lease_for: Duration) -> Self {
        Self {
            lease,
            beats,
            lease_for,
        }
    }
}

impl LeaseWatch {
    /// Records all leases that are held at `monotonic`, a reading of a monotonic clock, and returns those that
    /// have expired. A lease that is missing from `held` is forgotten.
    pub fn observe(
        &mut self,
        held: impl IntoIterator<Item = HeldLease>,
        monotonic: Duration,
    ) -> Vec<Lease> {
        let mut expired = Vec::new();
        let mut seen = HashMap::with_capacity(self.seen.len());
        for HeldLease {
            lease,
            beats,
            lease_for,
        } in held
        {
            let observation = match self.seen.get(&lease) {
                Some(known) if known.beats == beats => *known,
                _ => Observation {
                    beats,
                    since: monotonic,
                },
            };
            if monotonic.saturating_sub(observation.since) >= lease_for {
                expired.push(lease);
            }
            seen.insert(lease, observation);
        }
        self.seen = seen;
        expired
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TaskId;

    fn held(number: u64, beats: u64) -> HeldLease {
        let id = TaskId::from_i64(1).unwrap();
        HeldLease {
            lease: Lease::new(id, number),
            beats,
            lease_for: Duration::from_secs(10),
        }
    }

    #[test]
    fn a_lease_expires_after_it_was_seen_unrenewed_for_its_length() {
        let at = Duration::from_secs;
        let mut watch = LeaseWatch::default();
        assert!(watch.observe([held(1, 0)], at(100)).is_empty());
        assert!(watch.observe([held(1, 0)], at(109)).is_empty());
        assert!(
            watch.observe([held(1, 1)], at(110)).is_empty(),
            "renewed just in time"
        );
        assert!(watch.observe([held(1, 1)], at(119)).is_empty());
        assert_eq!(watch.observe([held(1, 1)], at(120)).len(), 1);
        assert!(
            watch.observe([held(2, 1)], at(121)).is_empty(),
            "claimed again"
        );
        assert!(watch.observe([], at(140)).is_empty());
        assert!(
            watch.observe([held(2, 1)], at(141)).is_empty(),
            "forgotten in between"
        );
    }
}
