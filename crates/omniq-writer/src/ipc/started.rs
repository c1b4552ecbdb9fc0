//! Reads which tasks an owner had started; the process that settles an owner's tasks asks for it.

use std::collections::HashSet;
use std::io;

use omniq_core::storage::Lease;
use omniq_core::{OwnerId, TaskId};

use super::folder::Folder;
use super::regular_file;

/// A task id and a lease number, little-endian. Aligned to its size, it never crosses a page, so that a
/// process that is killed leaves it old or new, not torn.
pub(crate) const SLOT: usize = 16;

/// The largest file that is read, in bytes: the slots of a million seats.
const MAX_LENGTH: u64 = 1 << 24;

/// Which of an owner's leases had been started when it ended.
///
/// A task counts a crash only if its handler may have been the cause. The record decides if there is one. If it is
/// unreadable, every lease counts: a healthy task is then blamed once at most, while a task that kills its process is
/// blamed each time. The other choice would let such a task kill every process, again and again.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Started {
    /// These leases and no others. The set is empty if there is no record: an owner removes it when it leaves.
    Known(HashSet<Lease>),
    /// The machine was rebooted since: no task caused that.
    AfterReboot,
    /// There is a record, but it can't be read.
    Unreadable,
}

impl Started {
    /// Whether the handler of this lease had been started, or may have been.
    pub fn includes(&self, lease: Lease) -> bool {
        match self {
            Self::Known(leases) => leases.contains(&lease),
            Self::AfterReboot => false,
            Self::Unreadable => true,
        }
    }

    /// Reads the record of an owner that may still be alive. See
    /// [`DeadOwner::started`](super::DeadOwner::started) for a dead one.
    pub fn by(folder: &Folder, owner: OwnerId) -> Self {
        match regular_file::read(&folder.started(owner), MAX_LENGTH) {
            Ok(slots) => Self::Known(slots.chunks_exact(SLOT).filter_map(lease_of).collect()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Self::Known(HashSet::new()),
            Err(_) => Self::Unreadable,
        }
    }
}

/// Returns the bytes of a lease's slot.
pub(crate) fn slot_of(lease: Lease) -> [u8; SLOT] {
    let mut slot = [0; SLOT];
    slot[..8].copy_from_slice(&lease.id.as_i64().to_le_bytes());
    slot[8..].copy_from_slice(&lease.number.to_le_bytes());
    slot
}

/// Reads a slot. `None` for one that was never used: zeros.
fn lease_of(slot: &[u8]) -> Option<Lease> {
    let (id, number) = slot.split_first_chunk::<8>()?;
    Some(Lease::new(
        TaskId::from_i64(i64::from_le_bytes(*id))?,
        u64::from_le_bytes(*number.first_chunk()?),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_read_as_it_was_written() {
        for (id, number) in [(1, 1), (i64::MAX, u64::MAX), (1 << 40, 7)] {
            let id = TaskId::from_i64(id).unwrap();
            let lease = Lease::new(id, number);
            assert_eq!(lease_of(&slot_of(lease)), Some(lease));
        }
        assert_eq!(lease_of(&[0; SLOT]), None);
    }
}
