//! Reservations: which task holds a unique key, and which is the unfinished member of a series.

use std::io;

use omniq_core::storage::StoredTask;
use omniq_core::{Task, TaskId};

use super::Store;
use crate::disk::if_exists;
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
        let mut reservations = Self::default();
        if let Some(key) = &task.unique_key
            && task.holds_unique_key()
        {
            reservations.key = Some((task.name.clone(), key.clone()));
        }
        if !task.status.is_finished() {
            reservations.series = task.series_id;
        }
        reservations
    }
}

impl Store {
    /// Stages the changes of a task's reservations: they depend on its status.
    pub(super) fn update_reservations(&mut self, stored: &StoredTask) {
        let new = Reservations::of(&stored.task);
        let cached = self.cached_tasks.get(&stored.task.id);
        let old = cached.map_or_else(Reservations::default, |old| Reservations::of(&old.task));
        let id = stored.task.id;
        if old.key.is_some() != new.key.is_some()
            && let Some((name, key)) = old.key.or(new.key.clone())
        {
            let holder = new.key.map(|_| id);
            self.batch.keys.insert((name.clone(), key.clone()), holder);
            self.stage(Op::UniqueKey { name, key, holder });
        }
        if old.series.is_some() != new.series.is_some()
            && let Some(series) = old.series.or(new.series)
        {
            let holder = new.series.map(|_| id);
            self.batch.series.insert(series, holder);
            self.stage(Op::SeriesMember { series, holder });
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
        if let Some(key) = key {
            let staged = self.batch.keys.get(&(name.to_owned(), key.to_owned()));
            let holder = match staged {
                Some(staged) => *staged,
                None => self.read_id(&self.paths.key(name, key))?,
            };
            if let Some(id) = holder
                && let Some(entry) = self.entry(id)?
                && (!entry.status.is_finished() || entry.owner.is_some())
            {
                return Ok(Some(id));
            }
        }
        if let Some(series) = series {
            let member = match self.batch.series.get(&series) {
                Some(staged) => *staged,
                None => self.read_id(&self.paths.series(series))?,
            };
            if let Some(id) = member
                && let Some(entry) = self.entry(id)?
                && !entry.status.is_finished()
            {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    /// Reads the id in the file of a reservation.
    fn read_id(&self, path: &std::path::Path) -> Result<Option<TaskId>, Failure> {
        let text = if_exists(self.disk.read(path))?;
        let text = text.and_then(|text| String::from_utf8(text).ok());
        Ok(text.and_then(|text| text.trim().parse().ok()))
    }
}
