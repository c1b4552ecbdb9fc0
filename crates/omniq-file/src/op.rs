//! What a batch does to the files, one step after the other. A record of the log is a list of these; done once
//! more from the beginning, they lead to the same files.

use omniq_core::{Format, TaskId};

use crate::binary::{BinaryReader, BinaryWriter as _};
use crate::entry::{Entry, SIZE};
use crate::location::{ChunkName, Location, Shelf, read_id};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Op {
    /// A new lane.
    Lane {
        number: u32,
        queue: String,
        name: String,
        format: Format,
    },
    /// A task's file moves, gets this content, or goes away; and so does what the index says.
    Put {
        id: TaskId,
        from: Option<Location>,
        to: Option<Location>,
        entry: Option<Entry>,
        body: Option<Vec<u8>>,
    },
    /// The names from `at` on move to a chunk of their own.
    SplitChunk {
        shelf: Shelf,
        chunk: ChunkName,
        into: ChunkName,
    },
    /// An empty chunk goes away.
    RemoveChunk { shelf: Shelf, chunk: ChunkName },
    /// Who holds a unique key.
    UniqueKey {
        name: String,
        key: String,
        holder: Option<TaskId>,
    },
    /// The live member of a series.
    SeriesMember {
        series: TaskId,
        holder: Option<TaskId>,
    },
    /// A part of the index whose tasks are all forgotten.
    RemoveSegment(u64),
    /// A file that is no task goes to the quarantine under this name. It is named from the base folder.
    Quarantine {
        file: String,
        name: String,
        reason: String,
    },
    /// A file that was dropped in has become a task.
    RemoveFile { file: String },
}

impl Op {
    pub(crate) fn write(&self, to: &mut Vec<u8>) {
        match self {
            Self::Lane {
                number,
                queue,
                name,
                format,
            } => {
                to.put_u8(1);
                to.put_u32(*number);
                to.put_bytes(queue.as_bytes());
                to.put_bytes(name.as_bytes());
                to.put_u8(format.code());
            }
            Self::Put {
                id,
                from,
                to: place,
                entry,
                body,
            } => {
                to.put_u8(2);
                to.put_i64(id.as_i64());
                for place in [from, place] {
                    match place {
                        Some(place) => place.write(to),
                        None => to.put_u8(0),
                    }
                }
                to.extend(entry.map_or([0; SIZE], Entry::to_bytes));
                to.put_u8(u8::from(body.is_some()));
                to.put_bytes(body.as_deref().unwrap_or_default());
            }
            Self::SplitChunk { shelf, chunk, into } => {
                to.put_u8(3);
                shelf.write(to);
                chunk.write(to);
                into.write(to);
            }
            Self::RemoveChunk { shelf, chunk } => {
                to.put_u8(4);
                shelf.write(to);
                chunk.write(to);
            }
            Self::UniqueKey { name, key, holder } => {
                to.put_u8(5);
                to.put_bytes(name.as_bytes());
                to.put_bytes(key.as_bytes());
                to.put_i64(holder.map_or(0, TaskId::as_i64));
            }
            Self::SeriesMember { series, holder } => {
                to.put_u8(6);
                to.put_i64(series.as_i64());
                to.put_i64(holder.map_or(0, TaskId::as_i64));
            }
            Self::RemoveSegment(number) => {
                to.put_u8(7);
                to.put_i64(number.cast_signed());
            }
            Self::Quarantine { file, name, reason } => {
                to.put_u8(8);
                for text in [file, name, reason] {
                    to.put_bytes(text.as_bytes());
                }
            }
            Self::RemoveFile { file } => {
                to.put_u8(9);
                to.put_bytes(file.as_bytes());
            }
        }
    }

    pub(crate) fn read(from: &mut BinaryReader<'_>) -> Option<Self> {
        Some(match from.u8()? {
            1 => Self::Lane {
                number: from.u32()?,
                queue: from.text()?,
                name: from.text()?,
                format: Format::from_code(from.u8()?)?,
            },
            2 => {
                let id = read_id(from)?;
                let (before, to) = (Location::read(from)?, Location::read(from)?);
                let entry = Entry::from_bytes(&from.array()?).ok()?;
                let (has_body, body) = (from.u8()? != 0, from.bytes()?);
                Self::Put {
                    id,
                    from: before,
                    to,
                    entry,
                    body: has_body.then(|| body.to_vec()),
                }
            }
            3 => Self::SplitChunk {
                shelf: Shelf::read(from)?,
                chunk: ChunkName::read(from)?,
                into: ChunkName::read(from)?,
            },
            4 => Self::RemoveChunk {
                shelf: Shelf::read(from)?,
                chunk: ChunkName::read(from)?,
            },
            5 => Self::UniqueKey {
                name: from.text()?,
                key: from.text()?,
                holder: TaskId::from_i64(from.i64()?),
            },
            6 => Self::SeriesMember {
                series: read_id(from)?,
                holder: TaskId::from_i64(from.i64()?),
            },
            7 => Self::RemoveSegment(from.i64()?.cast_unsigned()),
            8 => Self::Quarantine {
                file: from.text()?,
                name: from.text()?,
                reason: from.text()?,
            },
            9 => Self::RemoveFile { file: from.text()? },
            _ => return None,
        })
    }

    /// All of a record's.
    pub(crate) fn read_all(body: &[u8]) -> Option<Vec<Self>> {
        let mut from = BinaryReader(body);
        let mut ops = Vec::new();
        while !from.0.is_empty() {
            ops.push(Self::read(&mut from)?);
        }
        Some(ops)
    }
}
