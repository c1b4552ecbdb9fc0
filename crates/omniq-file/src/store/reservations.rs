//! Reservations: which task holds a unique key, and which is the unfinished member of a series.

use std::io;

use omniq_core::storage::StoredTask;
use omniq_core::{Task, TaskId};

use super::Store;
use crate::disk::if_exists;
use crate::entry::Entry;
use crate::errors::Failure;
use crate::op::Op;

/// What a task reserves: its unique key, and its place as the unfinished member of its series.
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
    /// Stages the changes of a task's reservations: they depend on its status.
    pub(super) fn update_reservations(&mut self, stored: &StoredTask) {
        let task = &stored.task;
        let old = self.cached_tasks.get(&task.id).map(|stored| &stored.task);
        if let Some(key) = &task.unique_key {
            let held = old.is_some_and(|old| old.holds_unique_key());
            if held != task.holds_unique_key() {
                let holder = (!held).then_some(task.id);
                let (name, key) = (task.name.clone(), key.clone());
                self.batch.keys.insert((name.clone(), key.clone()), holder);
                self.stage(Op::UniqueKey { name, key, holder });
            }
        }
        let old = self.cached_tasks.get(&task.id).map(|stored| &stored.task);
        if let Some(series) = task.series_id {
            let was_unfinished = old.is_some_and(|old| !old.status.is_finished());
            if was_unfinished == task.status.is_finished() {
                let holder = (!was_unfinished).then_some(task.id);
                self.batch.series.insert(series, holder);
                self.stage(Op::SeriesMember { series, holder });
            }
        }
    }

    /// Writes the missing files of a task's reservations. If the index was lost, they may be lost too.
    pub(crate) fn restore(&self, id: TaskId, reservations: &Reservations) -> Result<(), Failure> {
        let key = reservations.key.as_ref();
        let paths = [
            key.map(|(name, key)| self.paths.key(name, key)),
            reservations.series.map(|series| self.paths.series(series)),
        ];
        for path in paths.into_iter().flatten() {
            if self.read_id(&path)? == Some(id) {
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

    /// Returns the task that prevents another one: it holds the unique key, or is the unfinished member of the series.
    pub(crate) fn conflicting_task(
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
                None => self.read_id(&self.paths.key(name, key))?,
            };
            if let Some(id) = holder {
                let holds = |e: Entry| !e.status.is_finished() || e.owner.is_some();
                holder = self.entry(id)?.filter(|e| holds(*e)).map(|_| id);
            }
        }
        if let (None, Some(series)) = (holder, series) {
            holder = match self.batch.series.get(&series) {
                Some(known) => *known,
                None => self.read_id(&self.paths.series(series))?,
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

    /// Reads the id in the file of a reservation.
    fn read_id(&self, path: &std::path::Path) -> Result<Option<TaskId>, Failure> {
        let text = if_exists(self.disk.read(path))?;
        let text = text.and_then(|text| String::from_utf8(text).ok());
        Ok(text.and_then(|text| text.trim().parse().ok()))
    }
}
