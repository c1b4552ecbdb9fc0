//! The steps by which a batch changes the files, and their binary form. A record of the log is a list of steps. If they
//! are applied again from the beginning of the epoch, in order, they lead to the same files.

use omniq_core::{Format, TaskId};

use crate::binary::{BinaryReader, BinaryWriter as _};
use crate::entry::{Entry, SIZE};
use crate::lanes::Lane;
use crate::location::{ChunkName, Location, Shelf, read_id};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Op {
    /// Creates a lane.
    AddLane { number: u32, lane: Lane },
    /// Moves a task's file, writes its content, or removes it; updates its index entry.
    Put {
        id: TaskId,
        from: Option<Location>,
        to: Option<Location>,
        entry: Option<Entry>,
        body: Option<Vec<u8>>,
    },
    /// Moves the files whose names are not less than the lowest name of `into` from `chunk` to `into`.
    SplitChunk {
        shelf: Shelf,
        chunk: ChunkName,
        into: ChunkName,
    },
    /// Removes an empty chunk.
    RemoveChunk { shelf: Shelf, chunk: ChunkName },
    /// Records which task holds a unique key.
    UniqueKey {
        name: String,
        key: String,
        holder: Option<TaskId>,
    },
    /// Records the unfinished member of a series.
    SeriesMember {
        series: TaskId,
        holder: Option<TaskId>,
    },
    /// Removes a segment of the index whose tasks are all deleted.
    RemoveSegment(u64),
    /// Moves a file or folder into the quarantine, under this name. `file` is relative to the base folder.
    Quarantine {
        file: String,
        name: String,
        reason: String,
    },
    /// Removes a file whose task is written elsewhere: a dropped file, or one that was in the wrong folder.
    RemoveFile { file: String },
}

impl Op {
    pub(crate) fn write(&self, to: &mut Vec<u8>) {
        match self {
            Self::AddLane { number, lane } => {
                to.put_u8(1);
                to.put_u32(*number);
                to.put_bytes(lane.queue.as_bytes());
                to.put_bytes(lane.name.as_bytes());
                to.put_u8(lane.format.code());
            }
            Self::Put {
                id,
                from,
                to: location,
                entry,
                body,
            } => {
                to.put_u8(2);
                to.put_i64(id.as_i64());
                write_location(from.as_ref(), to);
                write_location(location.as_ref(), to);
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
                write_texts([name, key], to);
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
                write_texts([file, name, reason], to);
            }
            Self::RemoveFile { file } => {
                to.put_u8(9);
                write_texts([file], to);
            }
        }
    }

    /// Reads one step; `None` if the bytes are not one.
    fn read(from: &mut BinaryReader<'_>) -> Option<Self> {
        Some(match from.u8()? {
            1 => Self::AddLane {
                number: from.u32()?,
                lane: Lane {
                    queue: from.text()?,
                    name: from.text()?,
                    format: Format::from_code(from.u8()?)?,
                },
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

    /// Reads all steps of a record; `None` if one of them is unknown.
    pub(crate) fn read_all(body: &[u8]) -> Option<Vec<Self>> {
        let mut from = BinaryReader(body);
        let mut ops = Vec::new();
        while !from.0.is_empty() {
            ops.push(Self::read(&mut from)?);
        }
        Some(ops)
    }
}

fn write_location(location: Option<&Location>, to: &mut Vec<u8>) {
    match location {
        Some(location) => location.write(to),
        None => to.put_u8(0),
    }
}

fn write_texts<const N: usize>(texts: [&String; N], to: &mut Vec<u8>) {
    for text in texts {
        to.put_bytes(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use omniq_core::Timestamp;

    use super::*;
    use crate::file_name::FileName;

    fn id(number: i64) -> TaskId {
        TaskId::from_i64(number).unwrap()
    }

    fn chunk(number: i64) -> ChunkName {
        let lowest = FileName {
            time: Timestamp(2),
            id: id(3),
        };
        let number = id(number);
        ChunkName { lowest, number }
    }

    /// Any change of these bytes is a new layout.
    #[test]
    fn the_binary_form_is_that_of_layout_1() {
        let shelf = Shelf::Paused { lane: 9 };
        let ops = [
            Op::AddLane {
                number: 7,
                lane: Lane {
                    queue: "q".to_owned(),
                    name: "n".to_owned(),
                    format: Format::Json,
                },
            },
            Op::Put {
                id: id(3),
                from: Some(Location::On {
                    shelf,
                    chunk: chunk(4),
                    name: chunk(4).lowest,
                }),
                to: Some(Location::Running(id(3))),
                entry: None,
                body: Some(b"{}".to_vec()),
            },
            Op::SplitChunk {
                shelf,
                chunk: chunk(4),
                into: chunk(5),
            },
            Op::RemoveChunk {
                shelf: Shelf::Ready {
                    lane: 9,
                    priority: -1,
                },
                chunk: chunk(4),
            },
            Op::UniqueKey {
                name: "n".to_owned(),
                key: "k".to_owned(),
                holder: Some(id(3)),
            },
            Op::SeriesMember {
                series: id(3),
                holder: None,
            },
            Op::RemoveSegment(8),
            Op::Quarantine {
                file: "f".to_owned(),
                name: "n".to_owned(),
                reason: "r".to_owned(),
            },
            Op::RemoveFile {
                file: "f".to_owned(),
            },
        ];
        let mut bytes = Vec::new();
        ops.iter().for_each(|op| op.write(&mut bytes));
        assert_eq!(Op::read_all(&bytes).as_deref(), Some(&ops[..]));

        let text = |letter| [&[1, 0, 0, 0][..], &[letter]].concat();
        let number = |number: i64| number.to_le_bytes().to_vec();
        let paused = vec![2, 9, 0, 0, 0, 0, 0, 0, 0];
        let name = [number(2), number(3)].concat();
        let chunk = |last| [name.clone(), number(last)].concat();
        let expected = [
            [vec![1, 7, 0, 0, 0], text(b'q'), text(b'n'), vec![0]].concat(),
            [vec![2], number(3), vec![1], paused.clone(), chunk(4)].concat(),
            [name.clone(), vec![2], number(3), vec![0; SIZE]].concat(),
            vec![1, 2, 0, 0, 0, b'{', b'}'],
            [vec![3], paused, chunk(4), chunk(5)].concat(),
            [vec![4, 0, 9, 0, 0, 0, 255, 255, 255, 255], chunk(4)].concat(),
            [vec![5], text(b'n'), text(b'k'), number(3)].concat(),
            [vec![6], number(3), number(0)].concat(),
            [vec![7], number(8)].concat(),
            [vec![8], text(b'f'), text(b'n'), text(b'r')].concat(),
            [vec![9], text(b'f')].concat(),
        ];
        assert_eq!(bytes, expected.concat());
    }
}
