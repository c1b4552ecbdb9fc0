//! Counts the instructions of the code paths that every task takes. With the same compiler, a count is the same on
//! every machine, so it shows a regression even on a noisy machine.
//!
//! Each path may take 5 % more instructions than its figure below. If a change makes a path cheaper, lower its figure.
//! If a change makes it more expensive for a good reason, raise the figure and give the reason in the commit message.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use gungraun::prelude::*;
use gungraun::{Callgrind, EntryPoint, EventKind};
use omniq_core::lifecycle::apply;
use omniq_core::settle::settle;
use omniq_core::storage::{ClaimFilter, ClaimRequest};
use omniq_core::{
    Change, CoreSettings, Format, NewTask, Outcome, OwnerId, Parameter, Payload, Storage, Task,
    TaskError, TaskStatus, Timestamp, Transition, call,
};
use omniq_memory::MemoryStorage;
use omniq_sqlite::SqliteStorage;
use tokio::runtime::Runtime;

const NOW: Timestamp = Timestamp(1_790_000_000_000_000);
const LEASE: Duration = Duration::from_secs(30);
const PARAMETERS: &[Parameter] = &[Parameter::new("path"), Parameter::new("width")];

/// The number of tasks per call for the paths of the storages.
const TASKS: usize = 1_000;

fn at_most(instructions: u64) -> LibraryBenchmarkConfig {
    LibraryBenchmarkConfig::default()
        .tool(limited_to(instructions))
        .clone()
}

/// SQLite is written by a separate thread, so only the instructions inside this function are counted.
fn inside(function: &str, instructions: u64) -> LibraryBenchmarkConfig {
    let entry = EntryPoint::Custom(function.to_owned());
    LibraryBenchmarkConfig::default()
        .tool(limited_to(instructions).entry_point(entry).clone())
        .clone()
}

fn limited_to(instructions: u64) -> Callgrind {
    let limit = (EventKind::Ir, instructions + instructions / 20);
    Callgrind::default().hard_limits([limit]).clone()
}

fn order() -> omniq_core::Order<serde_json::Value> {
    call("images.resize").arg("cat.png").arg(640)
}

fn new_task() -> NewTask {
    order()
        .into_new_task(&CoreSettings::default())
        .expect("the order is valid")
}

fn running_task() -> Task {
    let mut claimed = Fixture::memory().with_tasks(1).claim();
    claimed.pop().expect("one task was enqueued")
}

fn success_of(task: &Task) -> Change {
    let result = Payload::new(Format::Json, b"null".to_vec());
    let then = Vec::new();
    settle(task, Outcome::Succeeded { result, then }, NOW, 0.5).expect("the task is running")
}

/// A storage, and the runtime that drives its futures.
struct Fixture {
    storage: Arc<dyn Storage>,
    runtime: Runtime,
    filter: Arc<ClaimFilter>,
}

impl Fixture {
    fn new(storage: impl Storage) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread();
        Self {
            storage: Arc::new(storage),
            runtime: { runtime }.build().expect("the runtime starts"),
            filter: Arc::new(ClaimFilter::any()),
        }
    }

    fn memory() -> Self {
        Self::new(MemoryStorage::new())
    }

    /// Creates a SQLite storage in memory, so that no disk is involved.
    fn sqlite() -> Self {
        let storage = SqliteStorage::open_in_memory(&CoreSettings::default());
        Self::new(storage.expect("SQLite opens"))
    }

    fn with_tasks(self, count: usize) -> Self {
        self.enqueue(vec![new_task(); count]);
        self
    }

    fn enqueue(&self, tasks: Vec<NewTask>) {
        let answer = self.runtime.block_on(self.storage.enqueue(tasks, NOW));
        answer.expect("enqueue succeeds");
    }

    fn claim(&self) -> Vec<Task> {
        let owner = OwnerId::from_i64(1).expect("1 is a valid owner");
        let request = ClaimRequest::new(owner, self.filter.clone(), NOW, LEASE).limit(TASKS);
        let answer = self.runtime.block_on(self.storage.claim(request));
        answer.expect("claim succeeds").tasks
    }

    fn settle(&self, changes: Vec<Change>) {
        let answer = self.runtime.block_on(self.storage.settle(changes, NOW));
        answer.expect("settle succeeds");
    }
}

fn to_enqueue(fixture: Fixture) -> (Fixture, Vec<NewTask>) {
    (fixture, vec![new_task(); TASKS])
}

fn to_claim(fixture: Fixture) -> Fixture {
    fixture.with_tasks(TASKS)
}

fn to_settle(fixture: Fixture) -> (Fixture, Vec<Change>) {
    let fixture = fixture.with_tasks(TASKS);
    let changes = fixture.claim().iter().map(success_of).collect();
    (fixture, changes)
}

#[library_benchmark(config = at_most(47))]
#[bench::of_a_success(TaskStatus::Running, Transition::Succeed)]
fn status_check(from: TaskStatus, event: Transition) -> TaskStatus {
    black_box(apply(black_box(from), black_box(event))).expect("the transition is allowed")
}

#[library_benchmark(config = at_most(2_454))]
#[bench::two_arguments(order())]
fn order_to_task(order: omniq_core::Order<serde_json::Value>) -> NewTask {
    black_box(order.into_new_task(&CoreSettings::default())).expect("the order is valid")
}

#[library_benchmark(config = at_most(1_703))]
#[bench::in_order(new_task().payload)]
fn payload_bind(payload: Payload) -> (String, u32) {
    black_box(payload.bind(PARAMETERS)).expect("the arguments match the parameters")
}

#[library_benchmark(config = at_most(737))]
#[bench::two_arguments(running_task())]
fn settle_success(task: Task) -> Change {
    black_box(success_of(&task))
}

#[library_benchmark(config = at_most(1_674))]
#[bench::two_arguments(running_task())]
fn settle_failure(task: Task) -> Change {
    let error = TaskError::new("x", "it broke");
    black_box(settle(&task, Outcome::Failed(error), NOW, 0.5)).expect("the task is running")
}

#[library_benchmark(config = at_most(2_416_834))]
#[bench::of_1000(to_enqueue(Fixture::memory()))]
fn memory_enqueue((fixture, tasks): (Fixture, Vec<NewTask>)) -> Fixture {
    fixture.enqueue(tasks);
    fixture
}

#[library_benchmark(config = at_most(3_456_796))]
#[bench::of_1000(to_claim(Fixture::memory()))]
fn memory_claim(fixture: Fixture) -> (Fixture, Vec<Task>) {
    let claimed = fixture.claim();
    (fixture, claimed)
}

#[library_benchmark(config = at_most(1_939_364))]
#[bench::of_1000(to_settle(Fixture::memory()))]
fn memory_settle((fixture, changes): (Fixture, Vec<Change>)) -> Fixture {
    fixture.settle(changes);
    fixture
}

#[library_benchmark(config = inside("*BulkInsert*::write", 12_529_182))]
#[bench::of_1000(to_enqueue(Fixture::sqlite()))]
fn sqlite_enqueue((fixture, tasks): (Fixture, Vec<NewTask>)) -> Fixture {
    fixture.enqueue(tasks);
    fixture
}

#[library_benchmark(config = inside("*Batch*::claim", 33_555_818))]
#[bench::of_1000(to_claim(Fixture::sqlite()))]
fn sqlite_claim(fixture: Fixture) -> (Fixture, Vec<Task>) {
    let claimed = fixture.claim();
    (fixture, claimed)
}

#[library_benchmark(config = inside("*Batch*::settle", 24_576_733))]
#[bench::of_1000(to_settle(Fixture::sqlite()))]
fn sqlite_settle((fixture, changes): (Fixture, Vec<Change>)) -> Fixture {
    fixture.settle(changes);
    fixture
}

library_benchmark_group!(
    name = core;
    benchmarks = status_check, order_to_task, payload_bind, settle_success, settle_failure
);
library_benchmark_group!(
    name = memory;
    benchmarks = memory_enqueue, memory_claim, memory_settle
);
library_benchmark_group!(
    name = sqlite;
    benchmarks = sqlite_enqueue, sqlite_claim, sqlite_settle
);

main!(library_benchmark_groups = core, memory, sqlite);
