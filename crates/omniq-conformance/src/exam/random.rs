//! Questions about random operations, compared with a model.

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
    let runs = tokio::task::spawn_blocking(move || run_all(&runtime, fixture.open));
    if let Err(failed) = runs.await {
        resume_unwind(failed.into_panic());
    }
}

/// Runs random sequences of operations on the model and on the storage, and reports the shortest one at which they
/// disagree.
fn run_all(runtime: &Handle, open: fn() -> Subject) {
    let mut config = Config {
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(seed()),
        max_shrink_time: 20_000,
        ..Config::default()
    };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 48;
    }
    let sequences = RandomOperations::sequential_strategy(1..60);
    let verdict = TestRunner::new(config).run(&sequences, |(mut state, operations, seen)| {
        runtime.block_on(async {
            let mut run = StorageRun::new(open);
            for operation in operations {
                if let Some(seen) = &seen {
                    seen.fetch_add(1, Ordering::SeqCst);
                }
                state.execute(&operation);
                run.repeat(&state).await;
            }
        });
        Ok(())
    });
    match verdict {
        Ok(()) => {}
        Err(TestError::Fail(reason, (_, operations, _))) => {
            let operations: Vec<_> = operations.iter().map(|o| format!("{o:?}")).collect();
            panic!(
                "{reason}\nafter these operations:\n{}",
                operations.join("\n")
            );
        }
        Err(other) => panic!("{other}"),
    }
}

/// A storage on which the operations of the model are repeated.
struct StorageRun {
    handles: [Arc<dyn Storage>; 2],
    /// The storage's ids. The model's id `n` is the one at index `n - 1`.
    ids: Vec<TaskId>,
    operations: usize,
    _subject: Subject,
}

impl StorageRun {
    fn new(open: fn() -> Subject) -> Self {
        let subject = open();
        Self {
            handles: [Arc::clone(&subject.storage), subject.other()],
            ids: Vec::new(),
            operations: 0,
            _subject: subject,
        }
    }

    /// Repeats the last operation of the model, and compares the answers, and then all tasks.
    async fn repeat(&mut self, state: &ModelState) {
        self.operations += 1;
        let storage = Arc::clone(&self.handles[self.operations % 2]);
        let now = state.now;
        match &state.executed {
            Executed::Nothing => {}
            Executed::Enqueue(orders, expected) => {
                let orders = orders.iter().map(|new| self.real_order(new)).collect();
                let answers = storage.enqueue(orders, now).await.expect("enqueue");
                self.read_new_ids(state).await;
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
            Executed::ProgressUpdate(updates, expected) => {
                let updates = updates.iter().map(|update| self.real_update(update));
                let answers = storage.record_progress(updates.collect(), now).await;
                assert_eq!(answers.expect("record_progress"), *expected);
            }
            Executed::TakeOver(tasks, changes, expected) => {
                assert_eq!(self.orphans(state).await, *tasks);
                self.settle(&*storage, changes, expected, state).await;
            }
            Executed::Purge(request, expected) => {
                let deleted = storage.purge(request.clone()).await.expect("purge");
                assert_eq!(deleted, *expected);
            }
        }
        self.read_new_ids(state).await;
        self.compare(&*storage, state).await;
    }

    /// Always asks the first handle, because each handle observes the leases separately.
    async fn orphans(&self, state: &ModelState) -> Vec<Task> {
        let found = self.handles[0].orphans(state.monotonic, 1_000).await;
        let tasks = found.expect("orphans").into_iter();
        let mut tasks: Vec<_> = tasks.map(|orphan| self.model_task(orphan.task)).collect();
        tasks.sort_by_key(|task| task.id);
        tasks
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
        // A change may conflict with a follow-up task of the same batch.
        self.read_new_ids(state).await;
        let real = |settled: &Settled| match *settled {
            Settled::Conflict { holder } => Settled::Conflict {
                holder: self.real(holder),
            },
            other => other,
        };
        assert_eq!(answers, expected.iter().map(real).collect::<Vec<_>>());
    }

    /// Reads the ids of the tasks that the last operation has added: the largest ones.
    async fn read_new_ids(&mut self, state: &ModelState) {
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
            "the storage and the model have added the same number of tasks"
        );
    }

    async fn compare(&self, storage: &dyn Storage, state: &ModelState) {
        let tasks = storage.get(self.ids.clone()).await.expect("get");
        for (task, row) in tasks.into_iter().zip(&state.model.rows) {
            let expected = if row.purged {
                None
            } else {
                Some(row.task.clone())
            };
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

    /// Returns the storage's id for an id of the model.
    fn real(&self, id: TaskId) -> TaskId {
        let index = usize::try_from(id.as_i64() - 1).expect("an id of the model");
        self.ids[index]
    }

    fn real_leases(&self, leases: &[Lease]) -> Vec<Lease> {
        let real = |lease: &Lease| Lease::new(self.real(lease.id), lease.number);
        leases.iter().map(real).collect()
    }

    fn real_update(&self, update: &ProgressUpdate) -> ProgressUpdate {
        let mut update = update.clone();
        update.lease.id = self.real(update.lease.id);
        update
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

    /// Returns a task of the storage with the ids of the model.
    fn model_task(&self, mut task: Task) -> Task {
        let model = |id: TaskId| {
            let index = self.ids.iter().position(|real| *real == id);
            let index = index.expect("a task that the model has");
            TaskId::from_i64(i64::try_from(index + 1).expect("a short list")).expect("positive")
        };
        task.series_id = task.series_id.map(model);
        task.id = model(task.id);
        task
    }
}
