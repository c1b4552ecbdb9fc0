//! The guarded change of one task, and its effects.

use omniq_core::storage::{Effects, Enqueued, Settled};
use omniq_core::{Change, Result, Timestamp};

use crate::state::State;

impl State {
    pub(crate) fn settle(
        &mut self,
        changes: Vec<Change>,
        now: Timestamp,
    ) -> Result<(Vec<Settled>, Effects)> {
        // The ids are assigned before the first change, so that no change can fail partially because ids run out.
        let follow_ups = changes.iter().map(|change| change.then.len()).sum();
        let mut ids = self.ids.assign(follow_ups, now)?.into_iter();
        let mut effects = Effects::default();
        let mut answers = Vec::with_capacity(changes.len());
        for mut change in changes {
            if let Some(rejection) = self.rejection(&change) {
                answers.push(rejection);
                continue;
            }
            effects.record(&change, now);
            let then = std::mem::take(&mut change.then);
            // The task is updated first: a follow-up may need its unique key and series.
            self.update(change.id, |row| row.apply(&change, now));
            for (new, id) in then.into_iter().zip(&mut ids) {
                let _: Enqueued = self.insert(new, id, now);
            }
            answers.push(Settled::Applied);
        }
        Ok((answers, effects))
    }

    /// Returns the answer to a change that must not be applied.
    fn rejection(&self, change: &Change) -> Option<Settled> {
        let Some(row) = self.row(change.id) else {
            return Some(Settled::NotFound);
        };
        if let Some(rejection) = row.rejection(change) {
            return Some(rejection);
        }
        if !row.restarts(change) {
            return None;
        }
        let task = &row.task;
        let key = task.unique_key.as_deref();
        let holder = self.index.conflicting(&task.name, key, task.series_id)?;
        Some(Settled::Conflict { holder })
    }
}
