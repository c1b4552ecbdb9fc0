//! The redo log: a batch is committed when its complete record is in it. Only then are its steps applied to the files.
//!
//! The file begins with two slots. The valid one with the larger epoch counts, so a new epoch never overwrites the epoch
//! before. Records of another epoch are leftovers.

use std::io;
use std::path::Path;

use omniq_writer::ipc::BootId;

use crate::binary::{BinaryReader, BinaryWriter as _};
use crate::disk::{Disk, OpenFile};

const MAGIC: &[u8; 8] = b"OMNIQLOG";
const SLOT: usize = 512;
/// The offset of the first record.
pub(crate) const START: u64 = 4096;
const HEAD: usize = 40;
const RECORD: u32 = 0x6f71_7231;
/// The file grows in steps of this size: an fsync is cheaper if the size has not changed.
const STEP: u64 = if cfg!(test) { 8 << 10 } else { 1 << 20 };
/// No record is as long as this.
const LONGEST: u32 = 1 << 31;

/// The flag of an epoch in which a flush failed: it is unknown which records the disk has.
pub(crate) const FLUSH_FAILED: u8 = 1;
/// The flag of an epoch of which some records may not have been flushed.
pub(crate) const UNFLUSHED: u8 = 2;

/// The content of a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Epoch {
    pub(crate) number: i64,
    /// The largest id that was given out before the epoch began.
    pub(crate) high_water: i64,
    /// The boot id when the epoch began.
    pub(crate) boot: BootId,
    /// [`FLUSH_FAILED`] and [`UNFLUSHED`].
    pub(crate) flags: u8,
}

pub(crate) struct Log {
    file: Box<dyn OpenFile>,
    /// The length of the file, as far as this process knows.
    reserved: u64,
}

/// A position in the log, and how many records of the epoch come before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) epoch: i64,
    pub(crate) at: u64,
    pub(crate) count: i64,
    /// The largest id that was given out up to here.
    pub(crate) high_water: i64,
}

pub(crate) struct Record {
    pub(crate) body: Vec<u8>,
    pub(crate) end: Position,
}

impl Epoch {
    /// Returns the first epoch of a log without valid slots: a new log, or a damaged one. A damaged log may still have
    /// records, so the number is random to avoid the number of an earlier epoch.
    pub(crate) fn first(boot: &BootId) -> Self {
        Self {
            number: fastrand::i64(1..1 << 40),
            high_water: 0,
            boot: boot.clone(),
            flags: 0,
        }
    }

    /// Returns the next epoch, which is written into the other slot. If that slot is lost later, the epoch before counts
    /// again, and its next epoch must not have the same number: hence the random part.
    pub(crate) fn next(&self, high_water: i64, boot: &BootId) -> Self {
        Self {
            number: self.number + 1 + 2 * fastrand::i64(0..1 << 20),
            high_water,
            boot: boot.clone(),
            flags: 0,
        }
    }
}

impl Log {
    pub(crate) fn open(disk: &dyn Disk, path: &Path) -> io::Result<Self> {
        let file = disk.open(path)?;
        let reserved = file.len()?;
        Ok(Self { file, reserved })
    }

    /// Returns the epoch that counts. `None`: the file is new or damaged.
    pub(crate) fn epoch(&self) -> io::Result<Option<Epoch>> {
        let mut slots = [0; 2 * SLOT];
        self.file.read_at(&mut slots, 0)?;
        let (first, second) = slots.split_at(SLOT);
        let both = [read_slot(first), read_slot(second)];
        Ok(both.into_iter().flatten().max_by_key(|epoch| epoch.number))
    }

    /// Begins an epoch and flushes it: all records in the log become invalid.
    pub(crate) fn begin(&mut self, epoch: &Epoch) -> io::Result<()> {
        if self.reserved < START {
            self.reserve(START)?;
        }
        self.file
            .write_at(&write_slot(epoch), slot_at(epoch.number))?;
        self.file.sync()
    }

    /// Sets a flag of the current epoch. It is not flushed.
    pub(crate) fn mark(&self, epoch: &mut Epoch, flag: u8) -> io::Result<()> {
        let flags = epoch.flags | flag;
        self.file
            .write_at(&[flags], slot_at(epoch.number) + MAGIC.len() as u64)?;
        epoch.flags = flags;
        Ok(())
    }

    /// Reads the record at a position; `None` if there is no complete one.
    pub(crate) fn read(&self, from: Position) -> io::Result<Option<Record>> {
        let mut head = [0; HEAD];
        if self.file.read_at(&mut head, from.at)? < HEAD {
            return Ok(None);
        }
        let Some((len, high_water)) = read_head(&head, from) else {
            return Ok(None);
        };
        let mut body = vec![0; len as usize];
        let read = self.file.read_at(&mut body, from.at + HEAD as u64)?;
        if read < body.len() || checksum(&head, &body) != head[HEAD - 4..] {
            return Ok(None);
        }
        let end = Position {
            epoch: from.epoch,
            at: from.at + (HEAD + body.len()) as u64,
            count: from.count + 1,
            high_water,
        };
        Ok(Some(Record { body, end }))
    }

    /// Whether there is the head of a record at a position.
    pub(crate) fn goes_on(&self, from: Position) -> io::Result<bool> {
        let mut head = [0; HEAD];
        let read = self.file.read_at(&mut head, from.at)?;
        Ok(read == HEAD && read_head(&head, from).is_some())
    }

    /// Grows the file so that a record fits: a full disk fails here, before the commit.
    pub(crate) fn make_room(&mut self, at: u64, len: usize) -> io::Result<()> {
        let wanted = at + (HEAD + len) as u64;
        if wanted > self.reserved {
            self.reserved = self.file.len()?;
        }
        if wanted > self.reserved {
            self.reserve(wanted.next_multiple_of(STEP))?;
        }
        Ok(())
    }

    /// Writes a record. It is not flushed.
    pub(crate) fn append(
        &self,
        from: Position,
        high_water: i64,
        body: &[u8],
    ) -> io::Result<Position> {
        let mut record = Vec::with_capacity(HEAD + body.len());
        record.put_u32(RECORD);
        record.put_u32(u32::try_from(body.len()).unwrap_or(LONGEST));
        record.put_i64(from.epoch);
        record.put_i64(from.count);
        record.put_i64(high_water);
        record.put_u32(0);
        record.put_u32(0);
        let sum = checksum(&record, body);
        record[HEAD - 4..].copy_from_slice(&sum);
        record.extend_from_slice(body);
        self.file.write_at(&record, from.at)?;
        Ok(Position {
            epoch: from.epoch,
            at: from.at + record.len() as u64,
            count: from.count + 1,
            high_water,
        })
    }

    /// Makes a record invalid that may have been written only partially.
    pub(crate) fn erase(&self, at: u64) -> io::Result<()> {
        self.file.write_at(&[0; HEAD], at)
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }

    fn reserve(&mut self, until: u64) -> io::Result<()> {
        let zeros = vec![0; STEP as usize];
        while self.reserved < until {
            let step = (until - self.reserved).min(STEP);
            self.file.write_at(&zeros[..step as usize], self.reserved)?;
            self.reserved += step;
        }
        Ok(())
    }
}

impl Position {
    /// Returns the beginning of an epoch.
    pub(crate) fn start(epoch: &Epoch) -> Self {
        Self {
            epoch: epoch.number,
            at: START,
            count: 0,
            high_water: epoch.high_water,
        }
    }

    /// Whether this position (of the files) lies behind the end of the log: then records of the log were lost.
    pub(crate) fn is_beyond(self, end: Self) -> bool {
        (self.epoch, self.at) > (end.epoch, end.at)
    }

    /// Returns the content of `queue/applied`.
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD);
        bytes.put_i64(self.epoch);
        bytes.put_i64(self.at.cast_signed());
        bytes.put_i64(self.count);
        bytes.put_i64(self.high_water);
        let sum = crc32fast::hash(&bytes);
        bytes.put_u32(sum);
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut from = BinaryReader(bytes);
        let position = Self {
            epoch: from.i64()?,
            at: from.i64()?.cast_unsigned(),
            count: from.i64()?,
            high_water: from.i64()?,
        };
        let sum = crc32fast::hash(&bytes[..bytes.len() - from.0.len()]);
        (from.u32()? == sum).then_some(position)
    }
}

fn slot_at(epoch: i64) -> u64 {
    SLOT as u64 * (epoch & 1).cast_unsigned()
}

fn write_slot(epoch: &Epoch) -> Vec<u8> {
    let mut slot = MAGIC.to_vec();
    slot.put_u8(epoch.flags);
    let from = slot.len();
    slot.put_i64(epoch.number);
    slot.put_i64(epoch.high_water);
    slot.put_bytes(epoch.boot.as_str().as_bytes());
    let sum = crc32fast::hash(&slot[from..]);
    slot.put_u32(sum);
    slot
}

fn read_slot(slot: &[u8]) -> Option<Epoch> {
    let mut from = BinaryReader(slot.strip_prefix(MAGIC)?);
    let flags = from.u8()?;
    let checked = from.0;
    let (number, high_water, boot) = (from.i64()?, from.i64()?, from.text()?);
    let sum = crc32fast::hash(&checked[..checked.len() - from.0.len()]);
    (from.u32()? == sum).then_some(Epoch {
        number,
        high_water,
        boot: BootId::from_text(boot),
        flags,
    })
}

/// Returns the length of the body and the largest id, if this is the head of the next record.
fn read_head(head: &[u8; HEAD], from: Position) -> Option<(u32, i64)> {
    let mut head = BinaryReader(head);
    let (magic, len) = (head.u32()?, head.u32()?);
    let (epoch, count, high_water) = (head.i64()?, head.i64()?, head.i64()?);
    let next = magic == RECORD && (epoch, count) == (from.epoch, from.count) && len < LONGEST;
    next.then_some((len, high_water))
}

fn checksum(head: &[u8], body: &[u8]) -> [u8; 4] {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&head[..HEAD - 4]);
    hasher.update(body);
    hasher.finalize().to_le_bytes()
}
