//! A cache of the folder, and the changes of the current batch. The cache already has these changes; if the batch is
//! rolled back, everything is forgotten and read again.

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
use omniq_core::storage::{Effects, StoredTask};

use crate::disk::Disk;
use crate::entry::Entry;
use crate::index::{Index, IndexFiles};
use crate::lanes::Lanes;
use crate::location::Shelf;
use crate::op::Op;
use crate::paths::Paths;
use crate::shelf::Chunks;

/// The largest number of cached tasks, and of the bytes of their payloads and results.
const MAX_TASKS: usize = 8_192;
const MAX_BYTES: usize = 32 << 20;
/// The largest number of cached file names. It is checked once in so many batches.
const MAX_NAMES: usize = 400_000;
const COUNT_NAMES_EVERY: u64 = 64;

pub(crate) struct Store {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) paths: Paths,
    pub(crate) files: IndexFiles,
    pub(crate) lanes: Lanes,
    pub(crate) index: Index,
    shelves: HashMap<Shelf, Chunks>,
    /// The priorities that may have ready tasks, by lane.
    priorities: HashMap<u32, BTreeSet<Reverse<i32>>>,
    /// The tasks that are running or stopping, once they were listed.
    held: Option<BTreeSet<TaskId>>,
    cached_tasks: HashMap<TaskId, StoredTask>,
    /// The size of the cached tasks, in bytes.
    cached_bytes: usize,
    /// The number of finished batches.
    batches: u64,
    pub(crate) batch: Batch,
    pub(crate) effects: Effects,
    /// The largest id that was given out.
    pub(crate) high_water: i64,
}

/// The changes of a batch.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) ops: Vec<Op>,
    /// The indexes of the first and the last `Op::Put` of each task.
    of_task: HashMap<TaskId, (usize, usize)>,
    /// The indexes of the steps that write the content of their task's file, as it is at the end of the batch.
    with_body: HashSet<usize>,
    /// Steps before this index can't be changed any more: a chunk was split after them.
    frozen: usize,
    keys: HashMap<(String, String), Option<TaskId>>,
    series: HashMap<TaskId, Option<TaskId>>,
    /// The tasks that have a file anywhere; listed if a file is missing.
    on_disk: Option<HashSet<TaskId>>,
    /// Entries with a new renewal: renewals are not recorded in the log.
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
            cached_tasks: HashMap::new(),
            cached_bytes: 0,
            batches: 0,
            batch: Batch::default(),
            effects: Effects::default(),
            high_water: 0,
        }
    }

    /// Empties the cache, forgets the batch, and lists the lanes.
    pub(crate) fn forget_all(&mut self) -> io::Result<()> {
        self.forget_batch();
        self.index = Index::default();
        self.files = IndexFiles::default();
        self.shelves.clear();
        self.priorities.clear();
        self.held = None;
        self.cached_tasks.clear();
        self.cached_bytes = 0;
        self.lanes = Lanes::list(&*self.disk, &mut self.paths)?;
        Ok(())
    }

    pub(crate) fn forget_batch(&mut self) {
        self.batch = Batch::default();
        self.effects = Effects::default();
    }

    /// Called between batches: reduces the cache if it is too large.
    fn shrink(&mut self) {
        self.index.shrink();
        if self.cached_tasks.len() > MAX_TASKS || self.cached_bytes > MAX_BYTES {
            self.cached_tasks.clear();
            self.cached_bytes = 0;
        }
        self.batches += 1;
        if self.batches.is_multiple_of(COUNT_NAMES_EVERY) {
            let names: usize = self.shelves.values().map(Chunks::name_count).sum();
            if names > MAX_NAMES {
                self.shelves.values_mut().for_each(Chunks::forget_names);
            }
        }
    }

    /// Ends a committed batch; returns what others have to be notified of.
    pub(crate) fn end_batch(&mut self) -> Effects {
        let effects = std::mem::take(&mut self.effects);
        self.forget_batch();
        self.shrink();
        effects
    }

    fn cache_task(&mut self, stored: StoredTask) {
        let size = |stored: &StoredTask| {
            let result = stored.task.result.as_ref().map_or(0, |r| r.bytes.len());
            stored.task.payload.bytes.len() + result + 512
        };
        self.cached_bytes += size(&stored);
        if let Some(old) = self.cached_tasks.insert(stored.task.id, stored) {
            self.cached_bytes = self.cached_bytes.saturating_sub(size(&old));
        }
    }
}
