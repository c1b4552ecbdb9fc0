//! Which lanes there are: the tasks of one queue, name and format share one, and a folder.

use std::collections::{BTreeMap, HashMap};
use std::io;

use omniq_core::Format;
use omniq_core::storage::ClaimFilter;
use serde::{Deserialize, Serialize};

use crate::disk::{DirEntry, Disk, Kind, if_exists};
use crate::escape::slug;
use crate::paths::Paths;

/// What `lane.json` says.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Lane {
    pub(crate) queue: String,
    pub(crate) name: String,
    pub(crate) format: Format,
}

impl Lane {
    /// Its folder is known by the number; the rest is for people.
    pub(crate) fn folder(&self, number: u32) -> String {
        let mut folder = format!("{number:06}-{}-{}", slug(&self.queue), slug(&self.name));
        if self.format != Format::Json {
            folder.push('-');
            folder.push_str(self.format.as_str());
        }
        folder
    }

    pub(crate) fn to_json(&self) -> Vec<u8> {
        // Three texts can always be written.
        let mut json = serde_json::to_vec_pretty(self).unwrap_or_default();
        json.push(b'\n');
        json
    }
}

#[derive(Debug, Default)]
pub(crate) struct Lanes {
    by_number: BTreeMap<u32, Lane>,
    numbers: HashMap<Lane, u32>,
    /// Folders that do not say which lane they belong to.
    pub(crate) unreadable: Vec<String>,
    /// The largest number that a folder has.
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
                // One without its file was made by a batch that is not done yet, or has lost it.
                let lane = serde_json::from_slice::<Lane>(&text).ok();
                // A folder that was copied has the number of the one it is a copy of.
                let Some(lane) = lane.filter(|_| !lanes.by_number.contains_key(&number)) else {
                    lanes.unreadable.push(folder.to_owned());
                    continue;
                };
                paths.lane_is_called(number, folder.to_owned());
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

    pub(crate) fn next(&self) -> u32 {
        self.largest + 1
    }

    pub(crate) fn matching(&self, filter: &ClaimFilter) -> Vec<u32> {
        let takes = |lane: &Lane| filter.takes(&lane.queue, &lane.name, lane.format);
        let lanes = self.by_number.iter().filter(|(_, lane)| takes(lane));
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
