use omniq_core::storage::{Effects, Enqueued, Settled};

use omniq_core::{Change, Result, Timestamp};

use crate::state::State;

impl State {
    pub(crate) fn settle(
        &mut self,
        changes: Vec<Change>,
        now: Timestamp,
    ) -> Result<(Vec<Settled>, Effects)> {
        // Given out before the first change, so that none can stop half-way for want of an id.
        let follow_ups = changes.iter().map(|change| change.then.len()).sum();
        let mut ids = self.ids.give(follow_ups, now)?.into_iter();
        let mut effects = Effects::default();
        let mut answers = Vec::with_capacity(changes.len());
        for mut change in changes {
            if let Some(refusal) = self.refuses(&change) {
                answers.push(refusal);
                continue;
            }
            effects.record(&change, now);
            let then = std::mem::take(&mut change.then);
            // The task first: its own key and series may be what a follow-up needs.
            self.update(change.id, |row| row.apply(&change, now));
            for (new, id) in then.into_iter().zip(&mut ids) {
                let _: Enqueued = self.insert(new, id, now);
            }
            answers.push(Settled::Applied);
        }
        Ok((answers, effects))
    }

    fn refuses(&self, change: &Change) -> Option<Settled> {
        let Some(row) = self.row(change.id) else {
            return Some(Settled::NotFound);
        };
        if let Some(refusal) = row.rejection(change) {
            return Some(refusal);
        }
        let task = &row.task;
        let key = task.unique_key.as_deref();
        let other = || self.index.in_the_way(&task.name, key, task.series_id);
        let holder = row.restarts(change).then(other).flatten()?;
        Some(Settled::Conflict { holder })
    }
}
