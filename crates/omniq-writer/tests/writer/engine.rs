//! An engine in memory that logs its steps, fails on request, and can be held in the middle of a batch.

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use omniq_core::storage::{
    ClaimRequest, Claimed, Effects, Enqueued, Hold, Lease, ProgressUpdate, PurgeRequest, Settled,
    StoredTask,
};
use omniq_core::{Change, Error, ErrorKind, NewTask, Result, TaskId, TaskStatus, Timestamp};
use omniq_writer::{CommitError, Committed, Engine, Failure};

use crate::fixture::CEILING;

/// A task with this name is rejected by the engine.
pub const BAD: &str = "bad";
/// There is no room on the disk for a task with this name.
pub const TOO_LARGE: &str = "too large";
/// The engine panics at a task with this name.
pub const PANICS: &str = "panics";
/// A task with this name takes as long as a whole batch.
pub const SLOW: &str = "slow";

/// A point of a batch at which the engine can be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    Begin,
    Commit,
}

/// What fails once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Prepare,
    Begin,
    /// A claim of the owner with this number is rejected.
    Claim(i64),
    /// The commit fails before anything is decided.
    Commit,
    /// It is unknown whether the commit succeeded.
    UnknownCommit,
}

#[derive(Default)]
struct State {
    steps: Vec<String>,
    tasks: Vec<StoredTask>,
    others_wrote: bool,
    /// What fails, after it went well this many times.
    fault: Option<(usize, Fault)>,
    hold: Option<Point>,
    held: bool,
}

/// The test's view of the engine.
#[derive(Default)]
pub struct Control {
    state: Mutex<State>,
    changed: Condvar,
}

impl Control {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn wait_until(&self, what: &str, condition: impl Fn(&State) -> bool) {
        let state = self.lock();
        let (_state, result) = self
            .changed
            .wait_timeout_while(state, CEILING, |state| !condition(state))
            .unwrap();
        assert!(!result.timed_out(), "waited in vain for {what}");
    }

    /// Holds the engine at this point of the next batch.
    pub fn hold(&self, point: Point) {
        self.lock().hold = Some(point);
    }

    /// Waits until the engine is held.
    pub fn wait_until_held(&self) {
        self.wait_until("the engine to be held", |state| state.held);
    }

    /// Lets the engine go on.
    pub fn release(&self) {
        self.lock().hold = None;
        self.changed.notify_all();
    }

    /// Makes this fail the next time.
    pub fn fail(&self, fault: Fault) {
        self.lock().fault = Some((0, fault));
    }

    /// Makes this fail the time after the next.
    pub fn fail_later(&self, fault: Fault) {
        self.lock().fault = Some((1, fault));
    }

    /// Adds a task as another process does.
    pub fn add_as_another_process(&self, task: NewTask) {
        let mut state = self.lock();
        add(&mut state.tasks, &task, Timestamp(0));
        state.others_wrote = true;
    }

    /// Waits until the engine has logged this step.
    pub fn wait_for(&self, step: &str) {
        self.wait_until(step, |state| state.steps.iter().any(|one| one == step));
    }

    /// Returns the steps since the last call.
    pub fn steps(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().steps)
    }

    fn log(&self, step: impl Into<String>) {
        self.lock().steps.push(step.into());
        self.changed.notify_all();
    }

    fn pass(&self, point: Point) {
        let mut state = self.lock();
        if state.hold != Some(point) {
            return;
        }
        state.held = true;
        self.changed.notify_all();
        while state.hold.is_some() {
            state = self.changed.wait(state).unwrap();
        }
        state.held = false;
    }

    fn fails(&self, fault: Fault) -> bool {
        let mut state = self.lock();
        match &mut state.fault {
            Some((0, next)) if *next == fault => {
                state.fault = None;
                true
            }
            Some((successes, next)) if *next == fault => {
                *successes -= 1;
                false
            }
            _ => false,
        }
    }
}

fn add(tasks: &mut Vec<StoredTask>, new: &NewTask, now: Timestamp) -> TaskId {
    let id = TaskId::from_i64(tasks.len() as i64 + 1).unwrap();
    tasks.push(StoredTask::new(new.clone(), id, now));
    id
}

/// Its batches take no further command after this many milliseconds.
pub struct FakeEngine<const MAX_MILLIS: u64> {
    control: Arc<Control>,
    /// The tasks as the batch sees them.
    tasks: Vec<StoredTask>,
    effects: Effects,
    wrote: bool,
}

impl<const MAX_MILLIS: u64> FakeEngine<MAX_MILLIS> {
    pub fn new(control: Arc<Control>) -> Self {
        Self {
            control,
            tasks: Vec::new(),
            effects: Effects::default(),
            wrote: false,
        }
    }

    fn pending(&mut self) -> impl Iterator<Item = &mut StoredTask> {
        let pending = |stored: &&mut StoredTask| stored.task.status == TaskStatus::Pending;
        self.tasks.iter_mut().filter(pending)
    }
}

#[derive(Debug)]
pub enum FakeFailure {
    Rejected(Error),
    DiskFull,
}

impl From<Error> for FakeFailure {
    fn from(error: Error) -> Self {
        Self::Rejected(error)
    }
}

impl Failure for FakeFailure {
    fn is_environmental(&self) -> bool {
        matches!(self, Self::DiskFull)
    }

    fn not_done(&self, _: &Path) -> Error {
        match self {
            Self::Rejected(error) => error.clone(),
            Self::DiskFull => Error::new(ErrorKind::Storage, "the disk is full").retryable(),
        }
    }
}

fn rejected() -> FakeFailure {
    Error::new(ErrorKind::Storage, "rejected").into()
}

impl<const MAX_MILLIS: u64> Engine for FakeEngine<MAX_MILLIS> {
    type Failure = FakeFailure;
    type Reader = Vec<StoredTask>;

    const NAME: &'static str = "fake";
    const MAX_BATCH_TIME: Duration = Duration::from_millis(MAX_MILLIS);

    fn path(&self) -> &Path {
        Path::new("nowhere")
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn others_wrote(&mut self) -> bool {
        self.control.lock().others_wrote
    }

    fn prepare(&mut self) -> Result<()> {
        match self.control.fails(Fault::Prepare) {
            true => Err(Error::new(ErrorKind::Storage, "it can't be opened")),
            false => Ok(()),
        }
    }

    fn begin(&mut self) -> Result<bool, FakeFailure> {
        self.control.pass(Point::Begin);
        if self.control.fails(Fault::Begin) {
            return Err(FakeFailure::DiskFull);
        }
        self.control.log("begin");
        let mut state = self.control.lock();
        self.tasks = state.tasks.clone();
        self.effects = Effects::default();
        self.wrote = false;
        Ok(std::mem::take(&mut state.others_wrote))
    }

    fn enqueue(&mut self, tasks: &[NewTask], now: Timestamp) -> Result<Vec<Enqueued>, FakeFailure> {
        let mut added = Vec::new();
        self.control.log(format!("enqueue {}", tasks[0].name));
        for new in tasks {
            match new.name.as_str() {
                BAD => return Err(rejected()),
                TOO_LARGE => return Err(FakeFailure::DiskFull),
                PANICS => panic!("on purpose"),
                SLOW => std::thread::sleep(Self::MAX_BATCH_TIME),
                _ => {}
            }
            added.push(Enqueued::New(add(&mut self.tasks, new, now)));
        }
        self.effects.add_work(now);
        self.wrote = true;
        Ok(added)
    }

    fn claim(&mut self, request: &ClaimRequest, now: Timestamp) -> Result<Claimed, FakeFailure> {
        let owner = request.owner.as_i64();
        self.control.log(format!("claim {owner} at {}", now.0));
        if self.control.fails(Fault::Claim(owner)) {
            return Err(rejected());
        }
        let mut claimed = Vec::new();
        for stored in self.pending().take(request.limit) {
            stored.begin(request, now);
            claimed.push(stored.task.clone());
        }
        self.wrote |= !claimed.is_empty();
        Ok(Claimed::new(claimed, None))
    }

    fn peek(&mut self, request: &ClaimRequest) -> Result<Claimed, FakeFailure> {
        self.control.log(format!("peek {}", request.owner.as_i64()));
        let next_due = self.pending().next().map(|_| request.now);
        Ok(Claimed::new(Vec::new(), next_due))
    }

    fn renew(&mut self, lease: Lease, _: Duration) -> Result<Hold, FakeFailure> {
        self.control.log(format!("renew {}", lease.id.as_i64()));
        let mut tasks = self.tasks.iter();
        let found = tasks.find(|stored| stored.task.id == lease.id);
        Ok(found.map_or(Hold::Lost, |stored| stored.hold(lease)))
    }

    fn record_progress(&mut self, _: &ProgressUpdate, _: Timestamp) -> Result<bool, FakeFailure> {
        Ok(false)
    }

    fn settle(&mut self, change: &Change, now: Timestamp) -> Result<Settled, FakeFailure> {
        let (id, status) = (change.id.as_i64(), change.status);
        self.control.log(format!("settle {id} {status:?}"));
        let mut tasks = self.tasks.iter_mut();
        let Some(stored) = tasks.find(|stored| stored.task.id == change.id) else {
            return Ok(Settled::NotFound);
        };
        if let Some(refused) = stored.rejection(change) {
            return Ok(refused);
        }
        stored.apply(change, now);
        self.effects.record(change, now);
        self.wrote = true;
        Ok(Settled::Applied)
    }

    fn purge(&mut self, _: &PurgeRequest) -> Result<u64, FakeFailure> {
        self.control.log("purge");
        Ok(0)
    }

    fn reader(&mut self) -> Result<&mut Vec<StoredTask>, FakeFailure> {
        Ok(&mut self.tasks)
    }

    fn effects(&self) -> &Effects {
        &self.effects
    }

    fn commit(&mut self) -> Result<Committed, CommitError<FakeFailure>> {
        self.control.pass(Point::Commit);
        if self.control.fails(Fault::Commit) {
            return Err(CommitError::NotCommitted(FakeFailure::DiskFull));
        }
        if self.control.fails(Fault::UnknownCommit) {
            // An engine may mark an error as retryable: the writer must not pass that on.
            let error = Error::new(ErrorKind::Storage, "a flush failed").retryable();
            return Err(CommitError::Unknown(error));
        }
        self.control.lock().tasks = std::mem::take(&mut self.tasks);
        self.control.log("commit");
        Ok(Committed::new(
            std::mem::take(&mut self.effects),
            self.wrote,
        ))
    }

    fn roll_back(&mut self) {
        self.control.log("roll back");
    }

    fn reset(&mut self) {
        self.control.log("reset");
    }
}
