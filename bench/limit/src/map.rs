//! Stores tasks in a map, with a queue of the ids that are due.

use std::collections::{HashMap, VecDeque};

use crate::store::{Claim, Row, Store};

#[derive(Default)]
pub struct Map {
    tasks: HashMap<i64, Row>,
    ready: VecDeque<i64>,
    succeeded: u64,
}

impl Store for Map {
    fn begin(&mut self) {}

    fn insert(&mut self, row: Row) {
        let id = self.tasks.len() as i64;
        if !row.foreign && !row.future {
            self.ready.push_back(id);
        }
        self.tasks.insert(id, row);
    }

    fn settle(&mut self, _: i64) {
        self.succeeded += 1;
    }

    fn claim(&mut self, wanted: usize) -> Vec<Claim> {
        let due = wanted.min(self.ready.len());
        let claim = |id| Claim {
            id,
            payload: self.tasks[&id].payload.clone(),
        };
        self.ready.drain(..due).map(claim).collect()
    }

    fn commit(&mut self) {}

    fn succeeded(&mut self) -> u64 {
        self.succeeded
    }
}
