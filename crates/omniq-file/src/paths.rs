//! The paths of the layout: which file is where.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use omniq_core::{TaskId, TaskStatus};

use crate::escape::escape;
use crate::file_name::ENDING;
use crate::location::{ChunkName, Location, Shelf};

/// The number of the layout. A folder with a larger one was written by a newer OmniQ.
pub(crate) const LAYOUT: u32 = 1;

/// The folders that always exist, relative to the base folder.
pub(crate) const FOLDERS: [&str; 14] = [
    "queue",
    "queue/incoming",
    "queue/index",
    "queue/keys",
    "queue/lanes",
    "queue/quarantine",
    "queue/running",
    "queue/series",
    "queue/stopping",
    "results",
    "results/success",
    "results/failed",
    "results/cancelled",
    "queue/taking",
];

/// The paths below one base folder. `lanes` has the folder of each lane, by its number.
pub(crate) struct Paths {
    base: PathBuf,
    lanes: HashMap<u32, String>,
}

impl Paths {
    pub(crate) fn new(base: &Path) -> Self {
        Self {
            base: base.to_owned(),
            lanes: HashMap::new(),
        }
    }

    pub(crate) fn base(&self) -> &Path {
        &self.base
    }

    pub(crate) fn at(&self, relative: &str) -> PathBuf {
        self.base.join(relative)
    }

    pub(crate) fn layout(&self) -> PathBuf {
        self.at("layout.json")
    }

    pub(crate) fn lanes(&self) -> PathBuf {
        self.at("queue/lanes")
    }

    pub(crate) fn set_lane_folder(&mut self, number: u32, folder: String) {
        self.lanes.insert(number, folder);
    }

    pub(crate) fn lane(&self, number: u32) -> PathBuf {
        let folder = self.lanes.get(&number).cloned();
        self.lanes()
            .join(folder.unwrap_or_else(|| number.to_string()))
    }

    /// Returns the folder of a lane's ready tasks, which has a folder for each priority.
    pub(crate) fn priorities(&self, lane: u32) -> PathBuf {
        self.lane(lane).join("ready")
    }

    pub(crate) fn shelf(&self, shelf: Shelf) -> PathBuf {
        match shelf {
            Shelf::Ready { lane, priority } => self.priorities(lane).join(format!("p{priority}")),
            Shelf::Waiting { lane } => self.lane(lane).join("waiting"),
            Shelf::Paused { lane } => self.lane(lane).join("held"),
            Shelf::Finished(TaskStatus::Success) => self.at("results/success"),
            Shelf::Finished(TaskStatus::Failed) => self.at("results/failed"),
            Shelf::Finished(_) => self.at("results/cancelled"),
        }
    }

    pub(crate) fn chunk(&self, shelf: Shelf, chunk: ChunkName) -> PathBuf {
        self.shelf(shelf).join(chunk.to_string())
    }

    /// Returns the folders of the tasks that have an owner.
    pub(crate) fn held(&self) -> [PathBuf; 2] {
        [self.at("queue/running"), self.at("queue/stopping")]
    }

    pub(crate) fn file(&self, location: &Location) -> PathBuf {
        match location {
            Location::On { shelf, chunk, name } => {
                self.chunk(*shelf, *chunk).join(format!("{name}{ENDING}"))
            }
            Location::Running(id) => self.at(&format!("queue/running/{id}{ENDING}")),
            Location::Stopping(id) => self.at(&format!("queue/stopping/{id}{ENDING}")),
        }
    }

    pub(crate) fn segment(&self, number: u64) -> PathBuf {
        self.at(&format!("queue/index/{number:012}"))
    }

    /// The file that marks the index as complete.
    pub(crate) fn index_is_complete(&self) -> PathBuf {
        self.at("queue/index/whole")
    }

    pub(crate) fn key(&self, name: &str, key: &str) -> PathBuf {
        self.at("queue/keys").join(escape(name)).join(escape(key))
    }

    pub(crate) fn series(&self, series: TaskId) -> PathBuf {
        self.at(&format!("queue/series/{series}"))
    }
}
