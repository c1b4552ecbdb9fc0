use std::collections::HashMap;
use std::time::Duration;

use crate::storage::Lease;

/// Tells which leases are over, by having seen them unrenewed for their full length on one monotonic clock.
/// Wall clocks are never compared, so that one that jumps costs nobody a lease.
#[derive(Debug, Default)]
pub struct LeaseWatch {
    seen: HashMap<Lease, Sighting>,
}

#[derive(Debug, Clone, Copy)]
struct Sighting {
    beats: u64,
    since: Duration,
}

/// A held lease as a storage finds it.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct HeldLease {
    /// The lease.
    pub lease: Lease,
    /// How often it was renewed.
    pub beats: u64,
    /// Its length.
    pub lease_for: Duration,
}

impl HeldLease {
    /// A lease of this length that was renewed so many times.
    pub const fn new(lease: Lease, beats: u64, lease_for: Duration) -> Self {
        Self {
            lease,
            beats,
            lease_for,
        }
    }
}

impl LeaseWatch {
    /// Notes all leases that are held at `monotonic` (a reading of a clock that never jumps) and returns
    /// those that are over. A lease that is missing from `held` is forgotten.
    pub fn observe(
        &mut self,
        held: impl IntoIterator<Item = HeldLease>,
        monotonic: Duration,
    ) -> Vec<Lease> {
        let mut over = Vec::new();
        let mut seen = HashMap::with_capacity(self.seen.len());
        for HeldLease {
            lease,
            beats,
            lease_for,
        } in held
        {
            let fresh = Sighting {
                beats,
                since: monotonic,
            };
            let known = self
                .seen
                .get(&lease)
                .copied()
                .filter(|known| known.beats == beats);
            let sighting = known.unwrap_or(fresh);
            if monotonic.saturating_sub(sighting.since) >= lease_for {
                over.push(lease);
            }
            seen.insert(lease, sighting);
        }
        self.seen = seen;
        over
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
    fn a_lease_is_over_once_it_was_seen_unrenewed_for_its_length() {
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
            "claimed anew"
        );
        assert!(watch.observe([], at(140)).is_empty());
        assert!(
            watch.observe([held(2, 1)], at(141)).is_empty(),
            "forgotten in between"
        );
    }
}
