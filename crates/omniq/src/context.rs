//! The context of an execution: what a handler can read about it and do in it.

use std::any::{Any, TypeId, type_name};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use omniq_core::storage::ProgressUpdate;
use omniq_core::{Args, NewTask, Order, Payload, Result, Task, TaskError, TaskId};
use tokio::sync::Notify;

use crate::events::EventKind;
use crate::token::Token;
use crate::{AsyncOmniQ, TaskHandle};

/// One execution of a task, as its handler sees it. Clones are the same execution.
#[derive(Clone)]
pub struct TaskContext {
    pub(crate) execution: Arc<Execution>,
}

/// One execution: the task as it was claimed, and what the handler and the pool exchange about it.
pub(crate) struct Execution {
    pub(crate) task: Task,
    /// Raised when the handler should stop: its task was cancelled, its lease is lost, or a blocking handler has exceeded
    /// its time limit or the pool's grace.
    pub(crate) stop: Token,
    then: Mutex<Vec<NewTask>>,
    /// The latest progress, until it is taken to be stored.
    progress: Mutex<Option<ProgressUpdate>>,
    environment: Arc<PoolEnvironment>,
}

/// What all executions of a pool share.
pub(crate) struct PoolEnvironment {
    pub(crate) omniq: AsyncOmniQ,
    pub(crate) states: States,
    /// Notified when an execution has progress to store.
    pub(crate) progressed: Notify,
}

/// The values for handlers, one per type.
pub(crate) type States = HashMap<TypeId, NamedState>;

/// A value for handlers, and the name of its type.
pub(crate) struct NamedState {
    pub(crate) name: &'static str,
    pub(crate) value: Box<dyn Any + Send + Sync>,
}

impl Execution {
    pub(crate) fn new(task: Task, environment: Arc<PoolEnvironment>) -> Self {
        Self {
            task,
            stop: Token::default(),
            then: Mutex::default(),
            progress: Mutex::default(),
            environment,
        }
    }

    /// Takes the follow-up tasks that the handler requested.
    pub(crate) fn take_follow_ups(&self) -> Vec<NewTask> {
        std::mem::take(&mut self.then.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns the follow-up tasks that the handler has requested so far. They are not taken, because the transaction that
    /// completes the task may be rolled back.
    pub(crate) fn follow_ups(&self) -> Vec<NewTask> {
        self.then
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn pending_update(&self) -> MutexGuard<'_, Option<ProgressUpdate>> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the pending progress. Notifies only if none was pending, because handlers may call this in a tight loop.
    fn set_progress(&self, fraction: f64, message: &str) {
        let update = ProgressUpdate::new(self.task.lease(), fraction, message);
        let earlier = self.pending_update().replace(update);
        if earlier.is_none() {
            self.environment.progressed.notify_one();
        }
    }

    /// Takes the progress that is not stored yet.
    pub(crate) fn take_update(&self) -> Option<ProgressUpdate> {
        self.pending_update().take()
    }

    /// Makes progress that could not be stored pending again, unless there is newer progress.
    pub(crate) fn put_update_back(&self, update: ProgressUpdate) {
        self.pending_update().get_or_insert(update);
    }
}

impl TaskContext {
    pub(crate) fn new(execution: Arc<Execution>) -> Self {
        Self { execution }
    }

    pub(crate) fn execution(&self) -> &Execution {
        &self.execution
    }

    fn task(&self) -> &Task {
        &self.execution.task
    }

    pub(crate) fn omniq(&self) -> &AsyncOmniQ {
        &self.execution.environment.omniq
    }

    pub(crate) fn payload(&self) -> &Payload {
        &self.task().payload
    }

    pub(crate) fn args(&self) -> Result<Args, TaskError> {
        self.payload().decode_args().map_err(|e| {
            let text = format!("the arguments can't be read: {}", e.chain());
            TaskError::new("payload", text).with_retryable(false)
        })
    }

    /// Returns the task's id.
    pub fn id(&self) -> TaskId {
        self.task().id
    }

    /// Returns the task's name.
    pub fn name(&self) -> &str {
        &self.task().name
    }

    /// Returns the name of the task's queue.
    pub fn queue(&self) -> &str {
        &self.task().queue
    }

    /// Returns the number of this attempt, from 1. Executions that were released are not counted.
    pub fn attempt(&self) -> u32 {
        self.task().attempts
    }

    /// Returns the lease number of this claim. It rises with each claim of the task, so that it can fence writes to other
    /// systems.
    pub fn lease(&self) -> u64 {
        self.task().lease
    }

    /// Returns the headers that the task was enqueued with: see [`Order::header`].
    pub fn headers(&self) -> &BTreeMap<String, String> {
        &self.task().headers
    }

    /// Returns whether this execution should stop: its task was cancelled, its lease is lost, or a blocking handler has
    /// exceeded its time limit or the pool's grace.
    pub fn is_cancelled(&self) -> bool {
        self.execution.stop.is_fired()
    }

    /// Waits until this execution should stop: see [`is_cancelled`](Self::is_cancelled). An async handler that does not
    /// return is dropped some seconds later, and its result is refused in either case.
    pub async fn cancelled(&self) {
        self.execution.stop.fired().await;
    }

    /// Reports the progress of the task: a fraction from 0 to 1, and a message. A fraction below 0 or above 1 is clamped;
    /// a call with NaN is ignored. The call returns immediately, and may be made as often as you like.
    ///
    /// Listeners of [`events`](AsyncOmniQ::events) get the progress immediately. It is also stored as
    /// [`Task::progress`], with at most 1 KiB of the message: the first one immediately, then the latest one at most
    /// every 500 ms. Progress that is not stored when the handler ends is sent once, together with its outcome; if the
    /// storage fails at that moment, it is dropped. The storage refuses progress after the lease is lost.
    pub fn progress(&self, fraction: f64, message: &str) {
        if fraction.is_nan() {
            return;
        }
        self.execution.set_progress(fraction, message);
        let events = self.omniq().queue().events();
        if !events.has_listeners() {
            return;
        }
        let progressed = EventKind::Progressed {
            fraction: fraction.clamp(0.0, 1.0),
            message: message.to_owned(),
        };
        events.notify_of(self.task(), progressed);
    }

    /// Returns a clone of the value of this type that the pool was given by
    /// [`WorkerBuilder::state`](crate::WorkerBuilder::state).
    ///
    /// # Errors
    ///
    /// An error of type `state` that names the missing type, if the pool has no such value. It is fatal: the task is not
    /// tried again.
    pub fn state<T: Clone + Send + Sync + 'static>(&self) -> Result<State<T>, TaskError> {
        let found = self.execution.environment.states.get(&TypeId::of::<T>());
        let value = found.and_then(|state| state.value.downcast_ref::<T>());
        value.cloned().map(State).ok_or_else(|| {
            let wanted = type_name::<T>();
            let text =
                format!("the pool has no state of type {wanted}: give it one with .state(value)");
            TaskError::new("state", text).with_retryable(false)
        })
    }

    /// Adds a task immediately, however this execution ends.
    ///
    /// # Errors
    ///
    /// As for [`AsyncOmniQ::enqueue`].
    pub async fn enqueue<T>(&self, order: Order<T>) -> Result<TaskHandle<T>> {
        self.omniq().enqueue(order).await
    }

    /// Adds a follow-up task in the same commit as this task's success. It is not added if this attempt does not succeed,
    /// or if another unfinished task holds its unique key at that time.
    ///
    /// # Errors
    ///
    /// Of kind `Settings` or `Serialization` for an order that can't be used.
    pub fn then<T>(&self, order: Order<T>) -> Result<()> {
        let task = order.into_new_task(self.omniq().settings().as_ref())?;
        let then = &self.execution.then;
        then.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(task);
        Ok(())
    }
}

impl fmt::Debug for TaskContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskContext")
            .field("id", &self.id())
            .field("name", &self.name())
            .field("attempt", &self.attempt())
            .finish_non_exhaustive()
    }
}

/// A value that the handlers of a pool share, such as a connection pool. It is a parameter of a task's function, written
/// as the pattern `State(db): State<Db>` or as a plain name.
///
/// Each execution gets a clone, so the value should be cheap to clone: a handle such as a connection pool, or an
/// `Arc` of something larger.
///
/// ```
/// # use omniq::State;
/// fn greet(State(greeting): State<String>, name: &str) -> String {
///     format!("{greeting}, {name}")
/// }
/// assert_eq!(greet(State("hello".to_owned()), "Ada"), "hello, Ada");
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct State<T>(pub T);

impl<T> State<T> {
    /// Wraps a value as `State(value)` does, for tests that call a task's function directly.
    pub const fn new(value: T) -> Self {
        Self(value)
    }
}

impl<T> Deref for State<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for State<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}
