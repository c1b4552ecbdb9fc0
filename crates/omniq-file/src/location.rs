//! Where a task's file is. The location alone tells the task's status and its place in the order of claims.

use std::fmt;

use omniq_core::{TaskId, TaskStatus};

use crate::binary::{BinaryReader, BinaryWriter};
use crate::file_name::{ENDING, FileName};

/// A folder whose files are in order, in chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Shelf {
    /// Tasks that a claim may take.
    Ready { lane: u32, priority: i32 },
    /// Tasks that wait for their eta.
    Waiting { lane: u32 },
    /// Tasks that are held back (`hold_count` is not 0).
    Paused { lane: u32 },
    /// Finished tasks of this status that have no owner.
    Finished(TaskStatus),
}

/// The name of a folder of a shelf: the lowest file name that it may hold, and a number that no other chunk ever had.
/// Because of the number, steps that are applied again after a crash never meet a later chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ChunkName {
    pub(crate) lowest: FileName,
    pub(crate) number: TaskId,
}

/// Where a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Location {
    On {
        shelf: Shelf,
        chunk: ChunkName,
        name: FileName,
    },
    /// Claimed.
    Running(TaskId),
    /// Cancelled while running, and not released by its owner yet.
    Stopping(TaskId),
}

/// A location without the chunk: where a task of some state belongs. The shelf decides the chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogicalLocation {
    On(Shelf, FileName),
    Running,
    Stopping,
}

impl fmt::Display for ChunkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.lowest, self.number)
    }
}

impl ChunkName {
    /// Returns the largest possible name of a chunk with this lowest file name.
    pub(crate) fn last_from(lowest: FileName) -> Self {
        let number = TaskId::from_i64(i64::MAX).unwrap_or(lowest.id);
        Self { lowest, number }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (lowest, number) = text.split_at_checked(FileName::LEN)?;
        let chunk = Self {
            lowest: FileName::parse(lowest)?,
            number: number.strip_prefix('.')?.parse().ok()?,
        };
        // Each name has exactly one spelling.
        (chunk.to_string() == text).then_some(chunk)
    }

    pub(crate) fn write(&self, to: &mut Vec<u8>) {
        write_name(self.lowest, to);
        to.put_i64(self.number.as_i64());
    }

    pub(crate) fn read(from: &mut BinaryReader<'_>) -> Option<Self> {
        Some(Self {
            lowest: read_name(from)?,
            number: read_id(from)?,
        })
    }
}

impl Shelf {
    pub(crate) fn write(self, to: &mut Vec<u8>) {
        let (kind, lane, priority) = match self {
            Self::Ready { lane, priority } => (0, lane, priority),
            Self::Waiting { lane } => (1, lane, 0),
            Self::Paused { lane } => (2, lane, 0),
            Self::Finished(status) => (3 + status.code(), 0, 0),
        };
        to.put_u8(kind);
        to.put_u32(lane);
        to.put_u32(priority.cast_unsigned());
    }

    pub(crate) fn read(from: &mut BinaryReader<'_>) -> Option<Self> {
        let (kind, lane, priority) = (from.u8()?, from.u32()?, from.u32()?.cast_signed());
        Some(match kind {
            0 => Self::Ready { lane, priority },
            1 => Self::Waiting { lane },
            2 => Self::Paused { lane },
            code => Self::Finished(TaskStatus::from_code(code - 3)?),
        })
    }
}

impl LogicalLocation {
    /// Returns the name of a task's file there.
    pub(crate) fn file_name(&self, id: TaskId) -> String {
        match self {
            Self::On(_, name) => format!("{name}{ENDING}"),
            Self::Running | Self::Stopping => format!("{id}{ENDING}"),
        }
    }
}

impl Location {
    pub(crate) fn write(&self, to: &mut Vec<u8>) {
        match self {
            Self::On { shelf, chunk, name } => {
                to.put_u8(1);
                shelf.write(to);
                chunk.write(to);
                write_name(*name, to);
            }
            Self::Running(id) => {
                to.put_u8(2);
                to.put_i64(id.as_i64());
            }
            Self::Stopping(id) => {
                to.put_u8(3);
                to.put_i64(id.as_i64());
            }
        }
    }

    /// Reads a location; the inner `None` stands for no location.
    pub(crate) fn read(from: &mut BinaryReader<'_>) -> Option<Option<Self>> {
        Some(Some(match from.u8()? {
            0 => return Some(None),
            1 => Self::On {
                shelf: Shelf::read(from)?,
                chunk: ChunkName::read(from)?,
                name: read_name(from)?,
            },
            2 => Self::Running(read_id(from)?),
            3 => Self::Stopping(read_id(from)?),
            _ => return None,
        }))
    }
}

pub(crate) fn write_name(name: FileName, to: &mut Vec<u8>) {
    to.put_i64(name.time.0);
    to.put_i64(name.id.as_i64());
}

pub(crate) fn read_name(from: &mut BinaryReader<'_>) -> Option<FileName> {
    let time = omniq_core::Timestamp(from.i64()?);
    let id = read_id(from)?;
    Some(FileName { time, id })
}

pub(crate) fn read_id(from: &mut BinaryReader<'_>) -> Option<TaskId> {
    TaskId::from_i64(from.i64()?)
}
