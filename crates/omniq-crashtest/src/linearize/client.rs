//! A process that performs random operations on a storage, and logs each invocation and each response.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use omniq::storage::settle::{self, Decision};
use omniq::storage::{
    BoxFuture, Change, ClaimFilter, ClaimRequest, Due, Hold, NewTask, Orphan, Outcome, OwnerId,
    Settled,
};
use omniq::{Storage, Task, TaskError, TaskFilter, TaskId, TaskStatus, Timestamp};
use tokio::io::AsyncReadExt as _;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::history::{Answer, Call, Kind, Recorder, Snapshot, What, monotonic_nanos, payload_of};
use crate::{HarnessResult, Options};

/// The number of clients that a process can have.
const MAX_CLIENTS: u64 = 100;
/// The newest tasks are those that the clients change.
const NEWEST: usize = 12;
/// A client enqueues less if it knows of this many tasks that have not finished.
const MANY: usize = 6;
/// The number of claimed tasks that a client remembers.
const MAX_HELD: usize = 6;
/// A set of unique keys is used for this long, so that the histories of the keys stay short.
const KEYS_CHANGE_AFTER: Duration = Duration::from_millis(700);
/// The pause after each operation is shorter than this.
const MAX_PAUSE_MICROS: u64 = 4_000;

/// Returns the owner id of the process with this number.
pub fn owner_of(number: u64) -> i64 {
    i64::try_from(number).map_or(i64::MAX, |number| number + 1)
}

/// Performs random operations until standard input ends.
///
/// # Errors
///
/// Returns an error if the storage can't be opened or the log can't be written. Errors of operations are logged.
pub async fn run(options: Options) -> HarnessResult<()> {
    let storage = omniq::open_storage(&options.settings()?).await?;
    let (stop_sender, stop_requested) = watch::channel(false);
    let mut clients = JoinSet::new();
    for index in 0..(options.concurrency as u64).min(MAX_CLIENTS) {
        let mut client = Client::new(&options, Arc::clone(&storage), index)?;
        let stop_requested = stop_requested.clone();
        clients.spawn(async move {
            while !*stop_requested.borrow() {
                client.step().await?;
                let pause = client.random.u64(..MAX_PAUSE_MICROS);
                tokio::time::sleep(Duration::from_micros(pause)).await;
            }
            HarnessResult::Ok(())
        });
    }
    println!("ready");
    tokio::io::stdin().read_to_end(&mut Vec::new()).await?;
    stop_sender.send(true)?;
    while let Some(finished) = clients.join_next().await {
        finished??;
    }
    Ok(storage.close().await?)
}

struct Client {
    storage: Arc<dyn Storage>,
    recorder: Recorder,
    random: fastrand::Rng,
    number: u64,
    owner: OwnerId,
    lease: Duration,
    max_crashes: u32,
    /// The newest tasks, as they were when the client last saw them.
    known: BTreeMap<TaskId, Task>,
    /// Tasks that the client has claimed. Others may have taken them over meanwhile.
    held: Vec<Task>,
    contents: u64,
}

impl Client {
    fn new(options: &Options, storage: Arc<dyn Storage>, index: u64) -> HarnessResult<Self> {
        let number = options.number * MAX_CLIENTS + index;
        let owner = OwnerId::from_i64(owner_of(options.number)).ok_or("an invalid owner")?;
        Ok(Self {
            storage,
            recorder: Recorder::open(&options.log, number)?,
            random: fastrand::Rng::with_seed(options.seed.wrapping_add(number)),
            number,
            owner,
            lease: options.lease,
            max_crashes: options.max_crashes,
            known: BTreeMap::new(),
            held: Vec::new(),
            contents: 0,
        })
    }

    /// Performs a random operation.
    async fn step(&mut self) -> HarnessResult<()> {
        let is_live = |task: &&Task| !task.status.is_finished();
        let live = self.known.values().filter(is_live).count();
        match self.random.u32(..32) {
            0..4 if live < MANY => self.enqueue().await,
            4 => self.enqueue().await,
            5..11 if self.held.len() < MAX_HELD => self.claim().await,
            11..15 => self.renew().await,
            15..22 => self.settle_held().await,
            22..26 => self.request().await,
            26..28 => self.get_any().await,
            28..30 => self.list().await,
            30 => self.take_over().await,
            _ => Ok(()),
        }
    }

    /// Logs an invocation, performs it, and logs the response. Returns `None` if the response is an error.
    async fn perform<'a, T>(
        &self,
        call: Call,
        operation: impl FnOnce() -> BoxFuture<'a, omniq::Result<T>>,
        answer: impl FnOnce(&T) -> Answer,
    ) -> HarnessResult<Option<T>> {
        self.recorder.record(What::Invoked(call))?;
        let (answer, response) = match operation().await {
            Ok(response) => (answer(&response), Some(response)),
            Err(error) => (error.into(), None),
        };
        self.recorder.record(What::Answered(answer))?;
        Ok(response)
    }

    /// Returns the next number that no other client uses.
    fn next_content(&mut self) -> u64 {
        self.contents += 1;
        self.number << 24 | self.contents
    }

    fn remember(&mut self, task: &Task) {
        self.known.insert(task.id, task.clone());
        while self.known.len() > NEWEST {
            self.known.pop_first();
        }
    }

    /// Returns a task that the client knows, as the client saw it last.
    fn any_known(&mut self) -> Option<Task> {
        let index = self.random.usize(..self.known.len().max(1));
        self.known.values().nth(index).cloned()
    }

    async fn enqueue(&mut self) -> HarnessResult<()> {
        let content = self.next_content();
        let mut new = NewTask::new("task", "queue", payload_of(content));
        if self.random.bool() {
            let period = monotonic_nanos() / KEYS_CHANGE_AFTER.as_nanos() as u64;
            new.unique_key = Some(format!("{period}-{}", self.random.u8(..2)));
        }
        new.max_attempts = self.random.u32(1..5);
        let call = Call::Enqueue {
            content,
            key: new.unique_key.clone(),
        };
        let storage = Arc::clone(&self.storage);
        let enqueue = || storage.enqueue(vec![new], now());
        self.perform(call, enqueue, |answers| first(answers))
            .await?;
        Ok(())
    }

    async fn claim(&mut self) -> HarnessResult<()> {
        let request = ClaimRequest::new(self.owner, ClaimFilter::any(), now(), self.lease);
        let request = request.limit(self.random.usize(1..3));
        let call = Call::Claim {
            owner: self.owner.as_i64(),
        };
        let storage = Arc::clone(&self.storage);
        let claimed = self
            .perform(
                call,
                || storage.claim(request),
                |claimed| Answer::Claimed(claimed.tasks.iter().map(Snapshot::of).collect()),
            )
            .await?;
        for task in claimed.map(|claimed| claimed.tasks).unwrap_or_default() {
            if self.random.bool() {
                let seat = self.held.len();
                self.storage.mark_started(self.owner, seat, task.lease());
            }
            self.remember(&task);
            self.held.push(task);
        }
        Ok(())
    }

    async fn renew(&mut self) -> HarnessResult<()> {
        let Some(task) = self.random.choice(&self.held).cloned() else {
            return Ok(());
        };
        let call = Call::Renew {
            task: task.id.as_i64(),
            lease: task.lease,
        };
        let storage = Arc::clone(&self.storage);
        let renew = || storage.renew(vec![task.lease()], self.lease);
        let holds = self.perform(call, renew, |holds| first(holds)).await?;
        let must_release = match holds.and_then(|holds| holds.first().copied()) {
            Some(Hold::Cancelled) => true,
            // A worker that lost its lease releases the task if it was cancelled.
            Some(Hold::Lost) => self.random.bool(),
            _ => false,
        };
        if must_release {
            self.change(&Change::release_cancelled(&task), Kind::ReleaseCancelled)
                .await?;
        }
        Ok(())
    }

    /// Reports a random outcome of a claimed task, whose lease may have been lost.
    async fn settle_held(&mut self) -> HarnessResult<()> {
        if self.held.is_empty() {
            return Ok(());
        }
        let index = self.random.usize(..self.held.len());
        let task = self.held[index].clone();
        let content = self.next_content();
        let error = TaskError::new("test", "the attempt failed");
        let outcome = match self.random.u32(..8) {
            0 => Outcome::Succeeded {
                result: payload_of(content),
                then: Vec::new(),
            },
            1..4 => Outcome::Failed(error.with_retryable(true)),
            4 => Outcome::Failed(error.with_retryable(false)),
            5 => Outcome::Released,
            _ => Outcome::LeaseLost,
        };
        let mut kind = match outcome {
            Outcome::Succeeded { .. } => Kind::Succeed(content),
            Outcome::Released => Kind::Release,
            Outcome::LeaseLost => Kind::ReleaseCancelled,
            _ => Kind::Retry,
        };
        let mut change = settle::settle(&task, outcome, now(), self.random.f64())?;
        if change.status == TaskStatus::Failed {
            kind = Kind::GiveUp;
        }
        if change.eta.is_some() {
            change.eta = Some(self.soon());
        }
        self.change(&change, kind).await?;
        // A task that is kept leads to late writes.
        if self.random.bool() {
            self.held.swap_remove(index);
        }
        Ok(())
    }

    /// Asks for a change as a caller does that is not the holder: what it knows may be out of date.
    async fn request(&mut self) -> HarnessResult<()> {
        let Some(mut task) = self.any_known() else {
            return Ok(());
        };
        if self.random.bool() {
            match self.get(task.id).await? {
                Some(found) => task = found,
                None => return Ok(()),
            }
        }
        let kind = match self.random.u32(..4) {
            0 => Kind::Cancel,
            1 => Kind::Reschedule,
            _ => Kind::Requeue,
        };
        let is_applied = self.ask(&task, kind).await?;
        // A task that begins again meets requests that were decided before.
        if is_applied && kind == Kind::Cancel && self.random.bool() {
            self.read_and_ask(task.id, Kind::Requeue).await?;
        }
        Ok(())
    }

    async fn read_and_ask(&mut self, id: TaskId, kind: Kind) -> HarnessResult<()> {
        if let Some(task) = self.get(id).await? {
            self.ask(&task, kind).await?;
        }
        Ok(())
    }

    /// Asks for a cancellation, a requeue or a new eta of a task as it was read. Returns whether it was applied.
    async fn ask(&mut self, task: &Task, kind: Kind) -> HarnessResult<bool> {
        let decision = match kind {
            Kind::Cancel => settle::cancel(task),
            Kind::Reschedule => settle::reschedule(task, self.soon()),
            _ => settle::requeue(task),
        };
        match decision {
            Decision::Write(change) => self.change(&change, kind).await,
            _ => Ok(false),
        }
    }

    /// Writes a change. Returns whether it was applied.
    async fn change(&self, change: &Change, kind: Kind) -> HarnessResult<bool> {
        let call = Call::Change {
            task: change.id.as_i64(),
            lease: change.lease,
            expect: change.expect,
            kind,
        };
        let settle = || self.storage.settle(vec![change.clone()], now());
        let settled = self.perform(call, settle, |answers| first(answers)).await?;
        Ok(settled.is_some_and(|answers| answers.first() == Some(&Settled::Applied)))
    }

    async fn get_any(&mut self) -> HarnessResult<()> {
        if let Some(task) = self.any_known() {
            self.get(task.id).await?;
        }
        Ok(())
    }

    async fn get(&mut self, id: TaskId) -> HarnessResult<Option<Task>> {
        let call = Call::Get { task: id.as_i64() };
        let answer = |tasks: &Vec<Option<Task>>| {
            let found = tasks.first().and_then(Option::as_ref);
            Answer::Found(Box::new(found.map(Snapshot::of)))
        };
        let storage = Arc::clone(&self.storage);
        let tasks = self.perform(call, || storage.get(vec![id]), answer).await?;
        let task = tasks.and_then(|mut tasks| tasks.pop().flatten());
        if let Some(task) = &task {
            self.remember(task);
        }
        Ok(task)
    }

    /// Lists the newest tasks that the client knows, and later ones.
    async fn list(&mut self) -> HarnessResult<()> {
        let mut filter = TaskFilter::new();
        filter.after = self.known.keys().next().copied();
        let answer = |tasks: &Vec<Task>| Answer::Listed(tasks.iter().map(Snapshot::of).collect());
        let storage = Arc::clone(&self.storage);
        let list = || storage.list_tasks(filter);
        for task in self
            .perform(Call::List, list, answer)
            .await?
            .iter()
            .flatten()
        {
            self.remember(task);
        }
        Ok(())
    }

    async fn take_over(&mut self) -> HarnessResult<()> {
        let monotonic = Duration::from_nanos(monotonic_nanos());
        // The check itself is no operation: a storage may answer it from a check that it made a little earlier.
        let Ok(orphans) = self.storage.orphans(monotonic, NEWEST).await else {
            return Ok(());
        };
        for orphan in &orphans {
            self.take_over_one(orphan).await?;
        }
        Ok(())
    }

    async fn take_over_one(&mut self, orphan: &Orphan) -> HarnessResult<()> {
        let task = &orphan.task;
        let mut change = settle::take_over(orphan, self.max_crashes, now(), self.random.f64())?;
        if change.eta.is_some() {
            change.eta = Some(self.soon());
        }
        let kind = Kind::TakeOver {
            owner: task.owner.map_or(0, OwnerId::as_i64),
            dead: Kind::is_dead(orphan.reason),
            started: orphan.started,
            last: change.status == TaskStatus::Failed,
        };
        let is_applied = self.change(&change, kind).await?;
        // The owner, if it lives, does not know yet what has happened to its task.
        if is_applied && self.random.bool() {
            self.read_and_ask(task.id, Kind::Cancel).await?;
        }
        Ok(())
    }

    /// Returns an eta that has come or comes soon.
    fn soon(&mut self) -> Due {
        Due::In(Duration::from_millis(self.random.u64(..60)))
    }
}

fn now() -> Timestamp {
    Timestamp::from(SystemTime::now())
}

/// Returns the response of an operation with one item.
fn first<T: Copy + Into<Answer>>(answers: &[T]) -> Answer {
    answers.first().map_or(Answer::NotFound, |a| (*a).into())
}
