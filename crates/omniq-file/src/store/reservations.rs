//! Who holds a unique key, and who is the live member of a series.

use std::io;

use omniq_core::storage::StoredTask;
use omniq_core::{Task, TaskId};

use super::Store;
use crate::disk::if_exists;
use crate::entry::Entry;
use crate::errors::Failure;
use crate::op::Op;

/// What a task keeps others from.
#[derive(Default)]
pub(crate) struct Reservations {
    key: Option<(String, String)>,
    series: Option<TaskId>,
}

impl Reservations {
    pub(crate) fn of(task: &Task) -> Self {
        let key = task.unique_key.clone().filter(|_| task.holds_unique_key());
        Self {
            key: key.map(|key| (task.name.clone(), key)),
            series: task.series_id.filter(|_| !task.status.is_finished()),
        }
    }
}

impl Store {
    /// A task's unique key and its place as the live member of its series come and go with its status.
    pub(super) fn keep_claims(&mut self, row: &StoredTask) {
        let task = &row.task;
        let old = self.rows.get(&task.id).map(|row| &row.task);
        if let Some(key) = &task.unique_key {
            let held = old.is_some_and(|old| old.holds_unique_key());
            if held != task.holds_unique_key() {
                let holder = (!held).then_some(task.id);
                let (name, key) = (task.name.clone(), key.clone());
                self.batch.keys.insert((name.clone(), key.clone()), holder);
                self.stage(Op::UniqueKey { name, key, holder });
            }
        }
        let old = self.rows.get(&task.id).map(|row| &row.task);
        if let Some(series) = task.series_id {
            let lived = old.is_some_and(|old| !old.status.is_finished());
            if lived == task.status.is_finished() {
                let holder = (!lived).then_some(task.id);
                self.batch.series.insert(series, holder);
                self.stage(Op::SeriesMember { series, holder });
            }
        }
    }

    /// Writes anew what is missing of a task's claims: where the index was lost, they may be lost as well.
    pub(crate) fn restore(&self, id: TaskId, claims: &Reservations) -> Result<(), Failure> {
        let key = claims.key.as_ref();
        let paths = [
            key.map(|(name, key)| self.paths.key(name, key)),
            claims.series.map(|series| self.paths.series(series)),
        ];
        for path in paths.into_iter().flatten() {
            if self.noted(&path)? == Some(id) {
                continue;
            }
            let text = format!("{id}\n");
            let mut written = self.disk.write(&path, text.as_bytes(), true);
            if let (Err(e), Some(folder)) = (&written, path.parent())
                && e.kind() == io::ErrorKind::NotFound
            {
                self.disk.create_dir(folder)?;
                written = self.disk.write(&path, text.as_bytes(), true);
            }
            written?;
        }
        Ok(())
    }

    /// The task that keeps another one out: by its unique key, or as the live member of its series.
    pub(crate) fn in_the_way(
        &mut self,
        name: &str,
        key: Option<&str>,
        series: Option<TaskId>,
    ) -> Result<Option<TaskId>, Failure> {
        let mut holder = None;
        if let Some(key) = key {
            let known = self.batch.keys.get(&(name.to_owned(), key.to_owned()));
            holder = match known {
                Some(known) => *known,
                None => self.noted(&self.paths.key(name, key))?,
            };
            if let Some(id) = holder {
                let holds = |e: Entry| !e.status.is_finished() || e.owner.is_some();
                holder = self.entry(id)?.filter(|e| holds(*e)).map(|_| id);
            }
        }
        if let (None, Some(series)) = (holder, series) {
            holder = match self.batch.series.get(&series) {
                Some(known) => *known,
                None => self.noted(&self.paths.series(series))?,
            };
            if let Some(id) = holder {
                holder = self
                    .entry(id)?
                    .filter(|e| !e.status.is_finished())
                    .map(|_| id);
            }
        }
        Ok(holder)
    }

    /// The id in a small file.
    fn noted(&self, path: &std::path::Path) -> Result<Option<TaskId>, Failure> {
        let text = if_exists(self.disk.read(path))?;
        let text = text.and_then(|text| String::from_utf8(text).ok());
        Ok(text.and_then(|text| text.trim().parse().ok()))
    }
}
