//! The redo log: a batch is committed once its record is here, whole. What follows is only done after it.
//!
//! The file begins with two slots, of which the valid one with the larger epoch counts, so that a new epoch
//! never overwrites the one before. Records of another epoch are what was there before.

use std::io;
use std::path::Path;

use crate::binary::{BinaryReader, BinaryWriter as _};
use crate::disk::{Disk, OpenFile};

const MAGIC: &[u8; 8] = b"OMNIQLOG";
const SLOT: usize = 512;
/// Where the records begin.
pub(crate) const START: u64 = 4096;
const HEAD: usize = 40;
const RECORD: u32 = 0x6f71_7231;
/// The file grows by so much at a time, so that a flush usually finds its size as it was.
const STEP: u64 = if cfg!(test) { 8 << 10 } else { 1 << 20 };
/// The length of a record that is none.
const LONGEST: u32 = 1 << 31;

/// What may be said of an epoch after it began.
pub(crate) const BROKEN: u8 = 1;
pub(crate) const LOOSE: u8 = 2;

/// What a slot says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Epoch {
    pub(crate) number: i64,
    /// The largest id that was given out when it began.
    pub(crate) high_water: i64,
    /// Of the boot in which it began.
    pub(crate) boot: String,
    /// [`BROKEN`]: a flush failed, and nobody knows what the disk has. [`LOOSE`]: some of it may not have
    /// been flushed.
    pub(crate) flags: u8,
}

pub(crate) struct Log {
    file: Box<dyn OpenFile>,
    /// As far as the file is known to reach.
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
    /// Of a log that has none: it is new, or has lost what said so. What is left of it may have records, so
    /// that no number may come again.
    pub(crate) fn first(boot: &str) -> Self {
        Self {
            number: fastrand::i64(1..1 << 40),
            high_water: 0,
            boot: boot.to_owned(),
            flags: 0,
        }
    }

    /// The next one, which goes into the other slot. If that is lost later, the one before counts again, and
    /// what follows it must not be taken for this one.
    pub(crate) fn next(&self, high_water: i64, boot: &str) -> Self {
        Self {
            number: self.number + 1 + 2 * fastrand::i64(0..1 << 20),
            high_water,
            boot: boot.to_owned(),
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

    /// The epoch that counts. None: the file is new, or is none of ours.
    pub(crate) fn epoch(&self) -> io::Result<Option<Epoch>> {
        let mut slots = [0; 2 * SLOT];
        self.file.read_at(&mut slots, 0)?;
        let (first, second) = slots.split_at(SLOT);
        let both = [read_slot(first), read_slot(second)];
        Ok(both.into_iter().flatten().max_by_key(|epoch| epoch.number))
    }

    /// Begins an epoch: what is in the log counts no more.
    pub(crate) fn begin(&mut self, epoch: &Epoch) -> io::Result<()> {
        if self.reserved < START {
            self.reserve(START)?;
        }
        self.file
            .write_at(&write_slot(epoch), slot_at(epoch.number))?;
        self.file.sync()
    }

    /// Says something of an epoch that goes on.
    pub(crate) fn mark(&self, epoch: &mut Epoch, flag: u8) -> io::Result<()> {
        let flags = epoch.flags | flag;
        self.file
            .write_at(&[flags], slot_at(epoch.number) + MAGIC.len() as u64)?;
        epoch.flags = flags;
        Ok(())
    }

    /// The record at a position, if there is a whole one.
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
        if read < body.len() || sum(&head, &body) != head[HEAD - 4..] {
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

    /// Whether there is something at a position that looks like a record.
    pub(crate) fn goes_on(&self, from: Position) -> io::Result<bool> {
        let mut head = [0; HEAD];
        let read = self.file.read_at(&mut head, from.at)?;
        Ok(read == HEAD && read_head(&head, from).is_some())
    }

    /// Makes room for a record, before anything is decided.
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

    /// Writes a record, for which there is room. It is not flushed.
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
        let sum = sum(&record, body);
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

    /// Takes away a record that was not written whole.
    pub(crate) fn blot_out(&self, at: u64) -> io::Result<()> {
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
    /// The beginning of an epoch.
    pub(crate) fn start(epoch: &Epoch) -> Self {
        Self {
            epoch: epoch.number,
            at: START,
            count: 0,
            high_water: epoch.high_water,
        }
    }

    /// The files came further than the log goes now: some of it is lost, and with it how they should be.
    pub(crate) fn is_beyond(self, end: Self) -> bool {
        (self.epoch, self.at) > (end.epoch, end.at)
    }

    /// For the file that says how far the files follow the log.
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
    slot.put_bytes(epoch.boot.as_bytes());
    let sum = crc32fast::hash(&slot[from..]);
    slot.put_u32(sum);
    slot
}

fn read_slot(slot: &[u8]) -> Option<Epoch> {
    let mut from = BinaryReader(slot.strip_prefix(MAGIC)?);
    let flags = from.u8()?;
    let summed = from.0;
    let (number, high_water, boot) = (from.i64()?, from.i64()?, from.text()?);
    let sum = crc32fast::hash(&summed[..summed.len() - from.0.len()]);
    (from.u32()? == sum).then_some(Epoch {
        number,
        high_water,
        boot,
        flags,
    })
}

/// The length of what follows, and the high-water mark, if this is the head of the record that comes next.
fn read_head(head: &[u8; HEAD], from: Position) -> Option<(u32, i64)> {
    let mut head = BinaryReader(head);
    let (magic, len) = (head.u32()?, head.u32()?);
    let (epoch, count, high_water) = (head.i64()?, head.i64()?, head.i64()?);
    let next = magic == RECORD && (epoch, count) == (from.epoch, from.count) && len < LONGEST;
    next.then_some((len, high_water))
}

fn sum(head: &[u8], body: &[u8]) -> [u8; 4] {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&head[..HEAD - 4]);
    sum.update(body);
    sum.finalize().to_le_bytes()
}
