//! What is remembered of the folder, and what this batch will change in it. Everything in here already sees
//! what the batch has done; if it is rolled back, all is forgotten and read again.

mod quarantine;
mod read;
mod replay;
pub(crate) mod reservations;
mod search;
mod stage;

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::io;
use std::sync::Arc;

use omniq_core::TaskId;
use omniq_core::storage::Effects;
use omniq_core::storage::StoredTask;

use crate::disk::Disk;
use crate::entry::Entry;
use crate::index::{Index, IndexFiles};
use crate::lanes::Lanes;
use crate::location::Shelf;
use crate::op::Op;
use crate::paths::Paths;
use crate::shelf::Chunks;

/// So many tasks are remembered …
const ROWS: usize = 8_192;
/// … if their payloads are no larger together …
const BYTES: usize = 32 << 20;
/// … and so many names of files.
const NAMES: usize = 400_000;
/// A batch in so many looks whether there are more names.
const WEIGH_EVERY: u64 = 64;

pub(crate) struct Store {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) paths: Paths,
    pub(crate) files: IndexFiles,
    pub(crate) lanes: Lanes,
    pub(crate) index: Index,
    shelves: HashMap<Shelf, Chunks>,
    /// The priorities that a lane has ready tasks of.
    priorities: HashMap<u32, BTreeSet<Reverse<i32>>>,
    /// Who is running or stopping, once it was looked.
    held: Option<BTreeSet<TaskId>>,
    rows: HashMap<TaskId, StoredTask>,
    /// The bytes of their payloads.
    weight: usize,
    /// How many there were.
    batches: u64,
    pub(crate) batch: Batch,
    pub(crate) effects: Effects,
    /// The largest number that was given out.
    pub(crate) high_water: i64,
}

/// What a batch does.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) ops: Vec<Op>,
    /// The first and the last step about each task.
    of_task: HashMap<TaskId, (usize, usize)>,
    /// The steps that write what their task holds by the end of the batch.
    with_body: HashSet<usize>,
    /// Steps before this one are settled: a chunk was split after them.
    fixed: usize,
    keys: HashMap<(String, String), Option<TaskId>>,
    series: HashMap<TaskId, Option<TaskId>>,
    /// The tasks that have a file, once it was looked for one that was missing.
    on_disk: Option<HashSet<TaskId>>,
    /// Entries with a new beat, that no record tells of.
    pub(crate) renewed: HashMap<TaskId, Entry>,
}

impl Store {
    pub(crate) fn new(disk: Arc<dyn Disk>, paths: Paths) -> Self {
        Self {
            disk,
            paths,
            files: IndexFiles::default(),
            lanes: Lanes::default(),
            index: Index::default(),
            shelves: HashMap::new(),
            priorities: HashMap::new(),
            held: None,
            rows: HashMap::new(),
            weight: 0,
            batches: 0,
            batch: Batch::default(),
            effects: Effects::default(),
            high_water: 0,
        }
    }

    /// Forgets all that was remembered, and the batch.
    pub(crate) fn forget_all(&mut self) -> io::Result<()> {
        self.forget_batch();
        self.index = Index::default();
        self.files = IndexFiles::default();
        self.shelves.clear();
        self.priorities.clear();
        self.held = None;
        self.rows.clear();
        self.weight = 0;
        self.lanes = Lanes::list(&*self.disk, &mut self.paths)?;
        Ok(())
    }

    pub(crate) fn forget_batch(&mut self) {
        self.batch = Batch::default();
        self.effects = Effects::default();
    }

    /// Between batches.
    fn forget_some(&mut self) {
        self.index.forget_some();
        if self.rows.len() > ROWS || self.weight > BYTES {
            self.rows.clear();
            self.weight = 0;
        }
        self.batches += 1;
        if self.batches.is_multiple_of(WEIGH_EVERY) {
            let names: usize = self.shelves.values().map(Chunks::weight).sum();
            if names > NAMES {
                self.shelves.values_mut().for_each(Chunks::forget_names);
            }
        }
    }

    /// The end of a batch: what it did, for others.
    pub(crate) fn end(&mut self) -> Effects {
        let effects = std::mem::take(&mut self.effects);
        self.forget_batch();
        self.forget_some();
        effects
    }

    fn remember(&mut self, row: StoredTask) {
        let size = |row: &StoredTask| {
            let result = row.task.result.as_ref().map_or(0, |r| r.bytes.len());
            row.task.payload.bytes.len() + result + 512
        };
        self.weight += size(&row);
        if let Some(old) = self.rows.insert(row.task.id, row) {
            self.weight = self.weight.saturating_sub(size(&old));
        }
    }
}
