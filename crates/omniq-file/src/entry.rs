//! An entry of the index: the state of a task in 64 bytes.

use std::time::Duration;

use omniq_core::storage::{HeldLease, Hold, Lease, StoredTask};
use omniq_core::{OwnerId, TaskId, TaskStatus, Timestamp};

use crate::binary::{BinaryReader, BinaryWriter as _};
use crate::file_name::FileName;
use crate::location::{LogicalLocation, Shelf};

pub(crate) const SIZE: usize = 64;

const DUE: u8 = 1;
const PAUSED: u8 = 2;
const FINISHED: u8 = 4;

/// What can be answered without the task's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) status: TaskStatus,
    pub(crate) due: bool,
    pub(crate) paused: bool,
    pub(crate) lane: u32,
    pub(crate) priority: i32,
    pub(crate) eta: Timestamp,
    pub(crate) finished_at: Option<Timestamp>,
    pub(crate) lease: u64,
    pub(crate) owner: Option<OwnerId>,
    /// How often the lease was renewed.
    pub(crate) renewals: u64,
    pub(crate) lease_for: Duration,
}

impl Entry {
    pub(crate) fn of(row: &StoredTask, lane: u32) -> Self {
        let task = &row.task;
        Self {
            status: task.status,
            due: row.due,
            paused: task.hold_count != 0,
            lane,
            priority: task.priority,
            eta: task.eta,
            finished_at: task.finished_at,
            lease: task.lease,
            owner: task.owner,
            renewals: row.beats,
            lease_for: row.lease_for,
        }
    }

    /// Returns where the task's file belongs.
    pub(crate) fn location(&self, id: TaskId) -> LogicalLocation {
        let lane = self.lane;
        let on = |shelf, time| LogicalLocation::On(shelf, FileName { time, id });
        match self.status {
            TaskStatus::Running => LogicalLocation::Running,
            TaskStatus::Pending if self.paused => on(Shelf::Paused { lane }, self.eta),
            TaskStatus::Pending if self.due => {
                let priority = self.priority;
                on(Shelf::Ready { lane, priority }, self.eta)
            }
            TaskStatus::Pending => on(Shelf::Waiting { lane }, self.eta),
            _ if self.owner.is_some() => LogicalLocation::Stopping,
            status => on(
                Shelf::Finished(status),
                self.finished_at.unwrap_or_default(),
            ),
        }
    }

    pub(crate) fn hold(&self, number: u64) -> Hold {
        let ours = self.owner.is_some() && self.lease == number;
        match self.status {
            TaskStatus::Running if ours => Hold::Held,
            TaskStatus::Cancelled if ours => Hold::Cancelled,
            _ => Hold::Lost,
        }
    }

    pub(crate) fn held_lease(&self, id: TaskId) -> HeldLease {
        let number = self.lease;
        HeldLease::new(Lease::new(id, number), self.renewals, self.lease_for)
    }

    pub(crate) fn to_bytes(self) -> [u8; SIZE] {
        let mut flags = 0;
        for (flag, set) in [
            (DUE, self.due),
            (PAUSED, self.paused),
            (FINISHED, self.finished_at.is_some()),
        ] {
            flags |= if set { flag } else { 0 };
        }
        let lease_for = u64::try_from(self.lease_for.as_nanos()).unwrap_or(u64::MAX);
        let mut bytes = Vec::with_capacity(SIZE);
        bytes.extend([self.status.code() + 1, flags, 0, 0]);
        bytes.put_u32(self.lane);
        bytes.put_u32(self.priority.cast_unsigned());
        bytes.put_u32(0);
        bytes.put_i64(self.eta.0);
        bytes.put_i64(self.finished_at.unwrap_or_default().0);
        bytes.put_i64(self.lease.cast_signed());
        bytes.put_i64(self.owner.map_or(0, OwnerId::as_i64));
        bytes.put_i64(self.renewals.cast_signed());
        bytes.put_i64(lease_for.cast_signed());
        let sum = crc32fast::hash(&bytes);
        bytes[12..16].copy_from_slice(&sum.to_le_bytes());
        let mut all = [0; SIZE];
        all.copy_from_slice(&bytes);
        all
    }

    /// Reads an entry. `Err` if it is damaged; `None` if there is no such task.
    pub(crate) fn from_bytes(bytes: &[u8; SIZE]) -> Result<Option<Self>, ()> {
        if *bytes == [0; SIZE] {
            return Ok(None);
        }
        let mut without_sum = *bytes;
        without_sum[12..16].fill(0);
        let sum = crc32fast::hash(&without_sum);
        if sum.to_le_bytes() != bytes[12..16] {
            return Err(());
        }
        read(bytes).ok_or(()).map(Some)
    }
}

fn read(bytes: &[u8; SIZE]) -> Option<Entry> {
    let mut from = BinaryReader(bytes);
    let [status, flags, _, _] = from.array()?;
    let (lane, priority) = (from.u32()?, from.u32()?.cast_signed());
    let _sum = from.u32()?;
    let (eta, finished) = (Timestamp(from.i64()?), Timestamp(from.i64()?));
    Some(Entry {
        status: TaskStatus::from_code(status.checked_sub(1)?)?,
        due: flags & DUE != 0,
        paused: flags & PAUSED != 0,
        lane,
        priority,
        eta,
        finished_at: (flags & FINISHED != 0).then_some(finished),
        lease: from.i64()?.cast_unsigned(),
        owner: OwnerId::from_i64(from.i64()?),
        renewals: from.i64()?.cast_unsigned(),
        lease_for: Duration::from_nanos(from.i64()?.cast_unsigned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_read_back_and_damage_is_detected() {
        let entry = Entry {
            status: TaskStatus::Cancelled,
            due: true,
            paused: false,
            lane: 7,
            priority: i32::MIN,
            eta: Timestamp(i64::MIN),
            finished_at: Some(Timestamp(0)),
            lease: u64::MAX,
            owner: OwnerId::from_i64(i64::MAX),
            renewals: 3,
            lease_for: Duration::from_millis(30_001),
        };
        let bytes = entry.to_bytes();
        assert_eq!(Entry::from_bytes(&bytes), Ok(Some(entry)));
        for at in 0..SIZE {
            let mut damaged = bytes;
            damaged[at] ^= 0x40;
            assert_eq!(Entry::from_bytes(&damaged), Err(()), "{at}");
        }
        assert_eq!(Entry::from_bytes(&[0; SIZE]), Ok(None));
    }
}
