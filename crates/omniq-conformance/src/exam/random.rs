use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use omniq_core::storage::{Enqueued, Lease, ProgressUpdate, Settled, TaskFilter};
use omniq_core::{Change, NewTask, Storage, Task, TaskId};
use proptest::test_runner::{Config, RngSeed, TestError, TestRunner};
use proptest_state_machine::ReferenceStateMachine;
use tokio::runtime::Handle;

use crate::seed::seed;
use crate::steps::Walks;
use crate::walk::{Act, Place};
use crate::{Scene, Subject};

pub(crate) async fn any_walk_agrees_with_the_model(scene: Scene) {
    let runtime = Handle::current();
    let walks = tokio::task::spawn_blocking(move || walk(&runtime, scene.open));
    if let Err(failed) = walks.await {
        resume_unwind(failed.into_panic());
    }
}

fn walk(runtime: &Handle, open: fn() -> Subject) {
    let mut config = Config {
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(seed()),
        max_shrink_time: 20_000,
        ..Config::default()
    };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 48;
    }
    let walks = Walks::sequential_strategy(1..60);
    let verdict = TestRunner::new(config).run(&walks, |(mut place, steps, seen)| {
        runtime.block_on(async {
            let mut walker = Walker::new(open);
            for step in steps {
                if let Some(seen) = &seen {
                    seen.fetch_add(1, Ordering::SeqCst);
                }
                place.take(&step);
                walker.follow(&place).await;
            }
        });
        Ok(())
    });
    match verdict {
        Ok(()) => {}
        Err(TestError::Fail(reason, (_, steps, _))) => {
            let steps: Vec<_> = steps.iter().map(|step| format!("{step:?}")).collect();
            panic!("{reason}\nafter these steps:\n{}", steps.join("\n"));
        }
        Err(other) => panic!("{other}"),
    }
}

/// A storage that is taken along a walk.
struct Walker {
    handles: [Arc<dyn Storage>; 2],
    /// The storage's ids, at the places of the model's.
    ids: Vec<TaskId>,
    steps: usize,
    _subject: Subject,
}

impl Walker {
    fn new(open: fn() -> Subject) -> Self {
        let subject = open();
        Self {
            handles: [Arc::clone(&subject.storage), subject.other()],
            ids: Vec::new(),
            steps: 0,
            _subject: subject,
        }
    }

    /// Does what was done to the model, and compares the answer, then everything there is.
    async fn follow(&mut self, place: &Place) {
        self.steps += 1;
        let storage = Arc::clone(&self.handles[self.steps % 2]);
        let now = place.now;
        match &place.act {
            Act::Nothing => {}
            Act::Enqueue(orders, expected) => {
                let orders = orders.iter().map(|new| self.real_order(new)).collect();
                let answers = storage.enqueue(orders, now).await.expect("enqueue");
                self.learn(place).await;
                let expected: Vec<_> = expected.iter().map(|e| self.real_answer(*e)).collect();
                assert_eq!(answers, expected);
            }
            Act::Claim(request, expected) => {
                let mut claimed = storage.claim(request.clone()).await.expect("claim");
                claimed.tasks = claimed
                    .tasks
                    .into_iter()
                    .map(|t| self.model_task(t))
                    .collect();
                assert_eq!(claimed, *expected);
            }
            Act::Settle(changes, expected) => {
                self.settle(&*storage, changes, expected, place).await
            }
            Act::Renew(leases, lease_for, expected) => {
                let leases = self.real_leases(leases);
                let answers = storage.renew(leases, *lease_for).await.expect("renew");
                assert_eq!(answers, *expected);
            }
            Act::ProgressUpdate(notes, expected) => {
                let real = |note: &ProgressUpdate| {
                    let mut note = note.clone();
                    note.lease.id = self.real(note.lease.id);
                    note
                };
                let notes = notes.iter().map(real).collect();
                assert_eq!(
                    storage.record_progress(notes, now).await.expect("note"),
                    *expected
                );
            }
            Act::TakeOver(tasks, changes, expected) => {
                // Always the same handle: each watches the leases by itself.
                let found = self.handles[0]
                    .orphans(place.monotonic, 1_000)
                    .await
                    .expect("orphans");
                let found = found.into_iter().map(|orphan| self.model_task(orphan.task));
                let mut found: Vec<_> = found.collect();
                found.sort_by_key(|task| task.id);
                assert_eq!(found, *tasks);
                self.settle(&*storage, changes, expected, place).await;
            }
            Act::Purge(request, expected) => {
                let gone = storage.purge(request.clone()).await.expect("purge");
                assert_eq!(gone, *expected);
            }
        }
        self.learn(place).await;
        self.compare(&*storage, place).await;
    }

    async fn settle(
        &mut self,
        storage: &dyn Storage,
        changes: &[Change],
        expected: &[Settled],
        place: &Place,
    ) {
        let changes = changes
            .iter()
            .map(|change| self.real_change(change))
            .collect();
        let answers = storage.settle(changes, place.now).await.expect("settle");
        // A follow-up of this very batch may be what a later change of it conflicts with.
        self.learn(place).await;
        let real = |settled: &Settled| match *settled {
            Settled::Conflict { holder } => Settled::Conflict {
                holder: self.real(holder),
            },
            other => other,
        };
        assert_eq!(answers, expected.iter().map(real).collect::<Vec<_>>());
    }

    /// New tasks have the largest ids.
    async fn learn(&mut self, place: &Place) {
        let mut filter = TaskFilter::new().limit(1_000);
        filter.after = self.ids.last().copied();
        let new = self.handles[0]
            .list_tasks(filter)
            .await
            .expect("list_tasks");
        self.ids.extend(new.iter().map(|task| task.id));
        assert_eq!(
            self.ids.len(),
            place.model.rows.len(),
            "so many tasks were made"
        );
    }

    async fn compare(&self, storage: &dyn Storage, place: &Place) {
        let tasks = storage.get(self.ids.clone()).await.expect("get");
        for (task, row) in tasks.into_iter().zip(&place.model.rows) {
            let expected = Some(&row.task).filter(|_| !row.purged).cloned();
            assert_eq!(task.map(|task| self.model_task(task)), expected);
        }
        let leases: Vec<_> = place
            .model
            .rows
            .iter()
            .map(|row| row.task.lease())
            .collect();
        let held = storage.held(self.real_leases(&leases)).await.expect("held");
        assert_eq!(held, place.model.held(&leases));
        let stats = storage.stats(place.now).await.expect("stats");
        assert_eq!(stats, place.model.stats(place.now));
    }

    fn real(&self, id: TaskId) -> TaskId {
        let place = usize::try_from(id.as_i64() - 1).expect("a place of the model");
        self.ids[place]
    }

    fn real_leases(&self, leases: &[Lease]) -> Vec<Lease> {
        let real = |lease: &Lease| Lease::new(self.real(lease.id), lease.number);
        leases.iter().map(real).collect()
    }

    fn real_answer(&self, answer: Enqueued) -> Enqueued {
        match answer {
            Enqueued::New(id) => Enqueued::New(self.real(id)),
            other => Enqueued::Existing(self.real(other.id())),
        }
    }

    fn real_order(&self, new: &NewTask) -> NewTask {
        let mut new = new.clone();
        new.series_id = new.series_id.map(|id| self.real(id));
        new
    }

    fn real_change(&self, change: &Change) -> Change {
        let mut change = change.clone();
        change.id = self.real(change.id);
        change.then = change.then.iter().map(|new| self.real_order(new)).collect();
        change
    }

    fn model_task(&self, mut task: Task) -> Task {
        let model = |id: TaskId| {
            let place = self.ids.iter().position(|real| *real == id);
            let place = place.expect("a task that the model knows");
            TaskId::from_i64(i64::try_from(place + 1).expect("a short list")).expect("positive")
        };
        task.series_id = task.series_id.map(model);
        task.id = model(task.id);
        task
    }
}
