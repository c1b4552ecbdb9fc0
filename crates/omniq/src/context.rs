//! What a handler knows about its execution.

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

/// One execution: the task as it was claimed, and what happens around it.
pub(crate) struct Execution {
    pub(crate) task: Task,
    /// Raised when the task was cancelled or its lease is lost.
    pub(crate) stop: Token,
    then: Mutex<Vec<NewTask>>,
    /// The latest progress, until somebody takes it to write it down.
    progress: Mutex<Option<ProgressUpdate>>,
    environment: Arc<PoolEnvironment>,
}

/// What every execution of a pool is given.
pub(crate) struct PoolEnvironment {
    pub(crate) omniq: AsyncOmniQ,
    pub(crate) states: States,
    /// Rung when an execution has a progress to write down.
    pub(crate) progressed: Notify,
}

/// One value per type.
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

    /// The follow-up tasks that the handler asked for.
    pub(crate) fn take_then(&self) -> Vec<NewTask> {
        std::mem::take(&mut self.then.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What it has asked for so far, for a success that may yet be rolled back.
    pub(crate) fn then_so_far(&self) -> Vec<NewTask> {
        self.then
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn pending_update(&self) -> MutexGuard<'_, Option<ProgressUpdate>> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The latest progress counts, and rings only where none was waiting: it may come in a tight loop.
    fn set_progress(&self, fraction: f64, message: &str) {
        let note = ProgressUpdate::new(self.task.lease(), fraction, message);
        let earlier = self.pending_update().replace(note);
        if earlier.is_none() {
            self.environment.progressed.notify_one();
        }
    }

    /// The progress that nobody has written down yet.
    pub(crate) fn take_update(&self) -> Option<ProgressUpdate> {
        self.pending_update().take()
    }

    /// A progress that could not be written waits again, unless there is a later one.
    pub(crate) fn put_update_back(&self, note: ProgressUpdate) {
        self.pending_update().get_or_insert(note);
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
            TaskError::new(
                "payload",
                format!("the arguments can't be read: {}", e.chain()),
            )
            .with_retryable(false)
        })
    }

    /// The task's id.
    pub fn id(&self) -> TaskId {
        self.task().id
    }

    /// The task's name.
    pub fn name(&self) -> &str {
        &self.task().name
    }

    /// The queue that it came from.
    pub fn queue(&self) -> &str {
        &self.task().queue
    }

    /// Which execution of the task this is, from 1; one that was given back does not count.
    pub fn attempt(&self) -> u32 {
        self.task().attempts
    }

    /// The number of this claim. It goes up with each claim of the task: a fence for writes elsewhere.
    pub fn lease(&self) -> u64 {
        self.task().lease
    }

    /// The headers that the task was enqueued with: see [`Order::header`].
    pub fn headers(&self) -> &BTreeMap<String, String> {
        &self.task().headers
    }

    /// Whether this execution should stop: the task was cancelled, or is no longer this pool's.
    pub fn is_cancelled(&self) -> bool {
        self.execution.stop.is_fired()
    }

    /// Waits until this execution should stop. A handler that goes on is dropped some seconds later; its
    /// result is refused either way.
    pub async fn cancelled(&self) {
        self.execution.stop.fired().await;
    }

    /// Tells how far the task is: a fraction from 0 to 1 (others are brought to the nearer end; one that is
    /// no number is left out), and a text. It waits for nothing, and may be called as often as is handy.
    ///
    /// Listeners of [`events`](AsyncOmniQ::events) hear it at once. For everybody else it is stored, with at
    /// most 1 KiB of the text, as [`Task::progress`]: the first one at once, then the latest at most every
    /// 500 ms. What is not written when the handler ends is sent along with its outcome, once; if the
    /// storage fails just then, it is dropped. A progress that comes after the lease is lost is refused.
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
    /// A fatal error that names the type, if the pool has no such value.
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

    /// Adds a task at once, whatever becomes of this one.
    pub async fn enqueue<T>(&self, order: Order<T>) -> Result<TaskHandle<T>> {
        self.omniq().enqueue(order).await
    }

    /// Adds a task in the same write as this one's success; nothing is added if it does not succeed. A
    /// task whose unique key is taken by then is left out.
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

/// A value that a pool's handlers share, such as a connection pool: a parameter of a task's function, taken apart
/// as `State(db): State<Db>`, or used as it is.
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
    /// Wraps a value, as `State(value)` does, for tests that call a task's function themselves.
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
