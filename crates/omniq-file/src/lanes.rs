//! The lanes: the tasks of one queue, name and format share a lane and its folder.

use std::collections::{BTreeMap, HashMap};
use std::io;

use omniq_core::storage::ClaimFilter;
use omniq_core::{Format, Task};
use serde::{Deserialize, Serialize};

use crate::disk::{DirEntry, Disk, Kind, if_exists};
use crate::escape::slug;
use crate::paths::Paths;

/// A lane, as `lane.json` has it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Lane {
    pub(crate) queue: String,
    pub(crate) name: String,
    pub(crate) format: Format,
}

impl Lane {
    pub(crate) fn of(task: &Task) -> Self {
        Self {
            queue: task.queue.clone(),
            name: task.name.clone(),
            format: task.payload.format,
        }
    }

    /// Returns the name of the lane's folder. Only the number counts; the rest is for people.
    fn folder(&self, number: u32) -> String {
        let mut folder = format!("{number:06}-{}-{}", slug(&self.queue), slug(&self.name));
        if self.format != Format::Json {
            folder.push('-');
            folder.push_str(self.format.as_str());
        }
        folder
    }

    /// Tells `paths` the folder of a lane that a step creates.
    pub(crate) fn register(&self, number: u32, paths: &mut Paths) {
        paths.set_lane_folder(number, self.folder(number));
    }

    pub(crate) fn to_json(&self) -> Vec<u8> {
        // Three texts can always be serialised.
        let mut json = serde_json::to_vec_pretty(self).unwrap_or_default();
        json.push(b'\n');
        json
    }
}

#[derive(Debug, Default)]
pub(crate) struct Lanes {
    by_number: BTreeMap<u32, Lane>,
    numbers: HashMap<Lane, u32>,
    /// Folders without a readable `lane.json`.
    pub(crate) unreadable: Vec<String>,
    /// The largest number of a folder.
    largest: u32,
}

impl Lanes {
    pub(crate) fn list(disk: &dyn Disk, paths: &mut Paths) -> io::Result<Self> {
        let mut lanes = Self::default();
        for found in disk.list(&paths.lanes())? {
            if found.kind != Kind::Folder {
                continue;
            }
            if let Some((number, folder)) = number(&found) {
                lanes.largest = lanes.largest.max(number);
                let file = paths.lanes().join(folder).join("lane.json");
                let text = match disk.kind(&file)? {
                    Some(Kind::File) => if_exists(disk.read(&file))?.unwrap_or_default(),
                    _ => Vec::new(),
                };
                let lane = match serde_json::from_slice::<Lane>(&text) {
                    // The copy of a folder has the same number as the original.
                    Ok(lane) if !lanes.by_number.contains_key(&number) => lane,
                    // A folder without its lane.json has lost it, or a batch that creates it is still being applied.
                    _ => {
                        lanes.unreadable.push(folder.to_owned());
                        continue;
                    }
                };
                paths.set_lane_folder(number, folder.to_owned());
                lanes.add(number, lane);
            }
        }
        Ok(lanes)
    }

    pub(crate) fn add(&mut self, number: u32, lane: Lane) {
        self.largest = self.largest.max(number);
        self.numbers.insert(lane.clone(), number);
        self.by_number.insert(number, lane);
    }

    pub(crate) fn number(&self, lane: &Lane) -> Option<u32> {
        self.numbers.get(lane).copied()
    }

    pub(crate) fn get(&self, number: u32) -> Option<&Lane> {
        self.by_number.get(&number)
    }

    pub(crate) fn next_number(&self) -> u32 {
        self.largest + 1
    }

    /// Returns the numbers of the lanes that a filter accepts.
    pub(crate) fn matching(&self, filter: &ClaimFilter) -> Vec<u32> {
        let accepts = |lane: &Lane| filter.takes(&lane.queue, &lane.name, lane.format);
        let lanes = self.by_number.iter().filter(|(_, lane)| accepts(lane));
        lanes.map(|(number, _)| *number).collect()
    }

    pub(crate) fn numbers(&self) -> Vec<u32> {
        self.by_number.keys().copied().collect()
    }
}

fn number(found: &DirEntry) -> Option<(u32, &str)> {
    let folder = found.text()?;
    let (number, _) = folder.split_once('-')?;
    Some((number.parse().ok()?, folder))
}
