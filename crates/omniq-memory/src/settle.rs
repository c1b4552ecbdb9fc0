use omniq_core::storage::{Enqueued, KEPT_ERRORS, Settled};

use omniq_core::{Change, Result, TaskId, TaskStatus, Timestamp};

use crate::row::Row;
use crate::state::State;

/// What a batch of changes has to tell the others.
#[derive(Debug, Default)]
pub(crate) struct News {
    pub(crate) adds_work: bool,
    pub(crate) finished: Vec<TaskId>,
    pub(crate) cancelled: Vec<TaskId>,
}

impl State {
    pub(crate) fn settle(
        &mut self,
        changes: Vec<Change>,
        now: Timestamp,
    ) -> Result<(Vec<Settled>, News)> {
        // Given out before the first change, so that none can stop half-way for want of an id.
        let follow_ups = changes.iter().map(|change| change.then.len()).sum();
        let mut ids = self.ids.give(follow_ups, now)?.into_iter();
        let mut news = News::default();
        let mut answers = Vec::with_capacity(changes.len());
        for mut change in changes {
            if let Some(refusal) = self.refuses(&change) {
                answers.push(refusal);
                continue;
            }
            news.note(&change);
            let then = std::mem::take(&mut change.then);
            // The task first: its own key and series may be what a follow-up needs.
            self.update(change.id, |row| row.apply(change, now));
            for (new, id) in then.into_iter().zip(&mut ids) {
                let _: Enqueued = self.insert(new, id, now);
            }
            answers.push(Settled::Done);
        }
        Ok((answers, news))
    }

    fn refuses(&self, change: &Change) -> Option<Settled> {
        let Some(Row { task, .. }) = self.row(change.id) else {
            return Some(Settled::Gone);
        };
        let again = task.status.is_finished() && change.status == TaskStatus::Pending;
        let same = task.status == change.expect && task.lease == change.lease;
        if !same || (again && task.owner.is_some()) {
            return Some(Settled::Moved {
                status: task.status,
                lease: task.lease,
            });
        }
        let key = task.unique_key.as_deref();
        let other = || self.index.in_the_way(&task.name, key, task.series_id);
        let holder = again.then(other).flatten()?;
        Some(Settled::Conflict { holder })
    }
}

impl News {
    fn note(&mut self, change: &Change) {
        self.adds_work |= change.adds_work();
        match change.status {
            TaskStatus::Cancelled if change.expect != TaskStatus::Cancelled => {
                self.cancelled.push(change.id);
            }
            status if status.is_finished() => self.finished.push(change.id),
            _ => {}
        }
    }
}

impl Row {
    fn apply(&mut self, change: Change, now: Timestamp) {
        let task = &mut self.task;
        let ends = change.status.is_finished() && !task.status.is_finished();
        let again = change.status == TaskStatus::Pending && task.status.is_finished();
        task.status = change.status;
        task.attempts = change.attempts;
        task.crashes = change.crashes;
        if let Some(eta) = change.eta {
            task.eta = eta.resolve(now);
            self.due = task.eta <= now;
        }
        if !change.keep_owner {
            task.owner = None;
        }
        if ends {
            task.finished_at = Some(now);
        }
        if change.status == TaskStatus::Pending {
            task.finished_at = None;
            task.result = None;
        }
        if again {
            task.progress = None;
        }
        if let Some(result) = change.result {
            task.result = Some(result);
        }
        task.errors.extend(change.error);
        let surplus = task.errors.len().saturating_sub(KEPT_ERRORS);
        task.errors.drain(..surplus);
    }
}
