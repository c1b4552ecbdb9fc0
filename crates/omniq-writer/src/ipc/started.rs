//! What an owner had started: its notes, read by whoever settles its tasks.

use std::collections::HashSet;
use std::io;

use omniq_core::storage::Lease;
use omniq_core::{OwnerId, TaskId};

use super::folder::Folder;
use super::regular_file;

/// A task id and a lease number, little-endian. Aligned to its size, it never crosses a page, so that a
/// process that is killed leaves it old or new, not torn.
pub(crate) const SLOT: usize = 16;

/// In bytes: the notes of a million seats.
const LONGEST: u64 = 1 << 24;

/// Which of an owner's leases had been started when it ended.
///
/// A task counts a crash only if its handler may have been the cause. Wrong in one direction, a healthy
/// neighbour is blamed; wrong in the other, a task that kills every process never ends. So what is known
/// decides, and where nothing can be known, every lease counts: each of a process's neighbours is marked
/// at most once, while a task that kills goes on being marked.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Started {
    /// These, and no others. None, if the notes are gone: an owner that leaves takes them along.
    Known(HashSet<Lease>),
    /// The machine was started again since: no task of ours did that.
    AfterReboot,
    /// There are notes, and they can't be read.
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

    /// Of an owner that may still be there but is silent. See [`DeadOwner::started`](crate::DeadOwner::started) for
    /// one that is gone.
    pub fn by(folder: &Folder, owner: OwnerId) -> Self {
        match regular_file::read(&folder.started(owner), LONGEST) {
            Ok(notes) => Self::Known(notes.chunks_exact(SLOT).filter_map(read).collect()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Self::Known(HashSet::new()),
            Err(_) => Self::Unreadable,
        }
    }
}

pub(crate) fn write(lease: Lease) -> [u8; SLOT] {
    let mut slot = [0; SLOT];
    slot[..8].copy_from_slice(&lease.id.as_i64().to_le_bytes());
    slot[8..].copy_from_slice(&lease.number.to_le_bytes());
    slot
}

/// `None` for a slot that was never used: zeros.
fn read(slot: &[u8]) -> Option<Lease> {
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
            assert_eq!(read(&write(lease)), Some(lease));
        }
        assert_eq!(read(&[0; SLOT]), None);
    }
}
