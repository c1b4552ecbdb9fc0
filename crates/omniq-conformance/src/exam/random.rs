use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use omniq_core::storage::{Enqueued, Lease, ProgressUpdate, Settled, TaskFilter};
use omniq_core::{Change, NewTask, Storage, Task, TaskId};
use proptest::test_runner::{Config, RngSeed, TestError, TestRunner};
use proptest_state_machine::ReferenceStateMachine;
use tokio::runtime::Handle;

use crate::operations::{Executed, ModelState};
use crate::seed::seed;
use crate::strategies::RandomOperations;
use crate::{Fixture, Subject};

pub(crate) async fn random_operations_agree_with_the_model(fixture: Fixture) {
    let runtime = Handle::current();
    let walks = tokio::task::spawn_blocking(move || walk(&runtime, fixture.open));
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
    let walks = RandomOperations::sequential_strategy(1..60);
    let verdict = TestRunner::new(config).run(&walks, |(mut state, steps, seen)| {
        runtime.block_on(async {
            let mut run = StorageRun::new(open);
            for step in steps {
                if let Some(seen) = &seen {
                    seen.fetch_add(1, Ordering::SeqCst);
                }
                state.take(&step);
                run.follow(&state).await;
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
struct StorageRun {
    handles: [Arc<dyn Storage>; 2],
    /// The storage's ids, at the places of the model's.
    ids: Vec<TaskId>,
    steps: usize,
    _subject: Subject,
}

impl StorageRun {
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
    async fn follow(&mut self, state: &ModelState) {
        self.steps += 1;
        let storage = Arc::clone(&self.handles[self.steps % 2]);
        let now = state.now;
        match &state.executed {
            Executed::Nothing => {}
            Executed::Enqueue(orders, expected) => {
                let orders = orders.iter().map(|new| self.real_order(new)).collect();
                let answers = storage.enqueue(orders, now).await.expect("enqueue");
                self.learn(state).await;
                let expected: Vec<_> = expected.iter().map(|e| self.real_answer(*e)).collect();
                assert_eq!(answers, expected);
            }
            Executed::Claim(request, expected) => {
                let mut claimed = storage.claim(request.clone()).await.expect("claim");
                claimed.tasks = claimed
                    .tasks
                    .into_iter()
                    .map(|t| self.model_task(t))
                    .collect();
                assert_eq!(claimed, *expected);
            }
            Executed::Settle(changes, expected) => {
                self.settle(&*storage, changes, expected, state).await
            }
            Executed::Renew(leases, lease_for, expected) => {
                let leases = self.real_leases(leases);
                let answers = storage.renew(leases, *lease_for).await.expect("renew");
                assert_eq!(answers, *expected);
            }
            Executed::ProgressUpdate(notes, expected) => {
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
            Executed::TakeOver(tasks, changes, expected) => {
                // Always the same handle: each watches the leases by itself.
                let found = self.handles[0]
                    .orphans(state.monotonic, 1_000)
                    .await
                    .expect("orphans");
                let found = found.into_iter().map(|orphan| self.model_task(orphan.task));
                let mut found: Vec<_> = found.collect();
                found.sort_by_key(|task| task.id);
                assert_eq!(found, *tasks);
                self.settle(&*storage, changes, expected, state).await;
            }
            Executed::Purge(request, expected) => {
                let gone = storage.purge(request.clone()).await.expect("purge");
                assert_eq!(gone, *expected);
            }
        }
        self.learn(state).await;
        self.compare(&*storage, state).await;
    }

    async fn settle(
        &mut self,
        storage: &dyn Storage,
        changes: &[Change],
        expected: &[Settled],
        state: &ModelState,
    ) {
        let changes = changes
            .iter()
            .map(|change| self.real_change(change))
            .collect();
        let answers = storage.settle(changes, state.now).await.expect("settle");
        // A follow-up of this very batch may be what a later change of it conflicts with.
        self.learn(state).await;
        let real = |settled: &Settled| match *settled {
            Settled::Conflict { holder } => Settled::Conflict {
                holder: self.real(holder),
            },
            other => other,
        };
        assert_eq!(answers, expected.iter().map(real).collect::<Vec<_>>());
    }

    /// New tasks have the largest ids.
    async fn learn(&mut self, state: &ModelState) {
        let mut filter = TaskFilter::new().limit(1_000);
        filter.after = self.ids.last().copied();
        let new = self.handles[0]
            .list_tasks(filter)
            .await
            .expect("list_tasks");
        self.ids.extend(new.iter().map(|task| task.id));
        assert_eq!(
            self.ids.len(),
            state.model.rows.len(),
            "so many tasks were made"
        );
    }

    async fn compare(&self, storage: &dyn Storage, state: &ModelState) {
        let tasks = storage.get(self.ids.clone()).await.expect("get");
        for (task, row) in tasks.into_iter().zip(&state.model.rows) {
            let expected = Some(&row.task).filter(|_| !row.purged).cloned();
            assert_eq!(task.map(|task| self.model_task(task)), expected);
        }
        let leases: Vec<_> = state
            .model
            .rows
            .iter()
            .map(|row| row.task.lease())
            .collect();
        let held = storage.held(self.real_leases(&leases)).await.expect("held");
        assert_eq!(held, state.model.held(&leases));
        let stats = storage.stats(state.now).await.expect("stats");
        assert_eq!(stats, state.model.stats(state.now));
    }

    fn real(&self, id: TaskId) -> TaskId {
        let state = usize::try_from(id.as_i64() - 1).expect("a state of the model");
        self.ids[state]
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
            let state = self.ids.iter().position(|real| *real == id);
            let state = state.expect("a task that the model knows");
            TaskId::from_i64(i64::try_from(state + 1).expect("a short list")).expect("positive")
        };
        task.series_id = task.series_id.map(model);
        task.id = model(task.id);
        task
    }
}
