//! The builder of a worker pool: checks its options, and starts the pool.

use std::any::{TypeId, type_name};
use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use omniq_core::storage::ClaimFilter;
use omniq_core::{Args, Error, ErrorKind, Format, Result, TaskError};
use serde::Serialize;
use tokio::sync::{Mutex, Notify, Semaphore, watch};

use super::buffer::Buffer;
use super::held::Held;
use super::pace::Pace;
use super::pool::AsyncWorkerPool;
use super::shared::Shared;
use crate::context::{NamedState, PoolEnvironment, States};
use crate::settings::check_prefetch;
use crate::token::Token;
use crate::{AsyncOmniQ, Handler, TaskContext, TaskDef};

const DEFAULT_CONCURRENCY: usize = 8;

/// Builds a worker pool. The pool runs from [`start`](Self::start) on.
#[must_use = "a pool does nothing until it is started"]
pub struct WorkerBuilder {
    omniq: AsyncOmniQ,
    concurrency: usize,
    queues: Option<Vec<String>>,
    handlers: Vec<(String, Handler)>,
    states: States,
    grace: Option<Duration>,
    prefetch: Option<usize>,
}

impl WorkerBuilder {
    pub(crate) fn new(omniq: AsyncOmniQ) -> Self {
        let settings = omniq.settings();
        Self {
            concurrency: DEFAULT_CONCURRENCY,
            queues: None,
            handlers: Vec::new(),
            states: States::new(),
            grace: None,
            prefetch: settings.prefetch(),
            omniq,
        }
    }

    pub(crate) fn omniq(&self) -> &AsyncOmniQ {
        &self.omniq
    }

    /// Sets how many handlers run at the same time. At least 1; 8 by default.
    pub fn concurrency(mut self, handlers: usize) -> Self {
        self.concurrency = handlers;
        self
    }

    /// Takes tasks only from these queues. By default, the pool takes tasks from every queue.
    pub fn queues<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.queues = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Adds the handler of a task definition, such as a function with `#[omniq::task]`.
    pub fn task<D: TaskDef>(self) -> Self {
        self.with_handler(D::NAME, D::handler())
    }

    /// Adds a handler for the tasks with this name: an async function of the context and the arguments. For a function
    /// that blocks, see [`Handler::blocking`].
    pub fn handler<F, Fut, T>(self, name: &str, function: F) -> Self
    where
        F: Fn(TaskContext, Args) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, TaskError>> + Send + 'static,
        T: Serialize,
    {
        self.with_handler(name, Handler::new(function))
    }

    /// Adds a handler for the tasks with this name, for example one that blocks or has typed arguments.
    pub fn with_handler(mut self, name: &str, handler: Handler) -> Self {
        self.handlers.push((name.to_owned(), handler));
        self
    }

    /// Adds a value for [`TaskContext::state`] and for parameters of type [`State`](crate::State). There is one value per
    /// type: a later one replaces an earlier one.
    pub fn state<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        let state = NamedState {
            name: type_name::<T>(),
            value: Box::new(value),
        };
        self.states.insert(TypeId::of::<T>(), state);
        self
    }

    /// Sets how long a stopping pool waits for running handlers. By default, the value of the settings.
    pub fn grace(mut self, span: Duration) -> Self {
        self.grace = Some(span);
        self
    }

    /// Sets how many tasks are claimed ahead of the free seats, at most 10,000; 0 claims only for free seats. By default,
    /// the value of the settings. If that is not set either, the pool measures the number: about as many tasks as it
    /// finishes during one claim, and none if handlers are slow. Tasks that have not started within 50 ms are released.
    pub fn prefetch(mut self, tasks: usize) -> Self {
        self.prefetch = Some(tasks);
        self
    }

    /// Starts the pool. It takes only tasks for which it has a handler.
    ///
    /// # Errors
    ///
    /// Of kind `Settings` if there is no handler, or two have the same name; if a handler needs a state that the pool was
    /// not given; if the concurrency or the prefetch is out of range; if the list of queues is empty or contains an empty
    /// name. Of kind `Closed` if the queue was closed, or in a forked child. Of kind `Storage` if the background thread
    /// can't be started.
    pub async fn start(self) -> Result<AsyncWorkerPool> {
        self.omniq.queue().process().check()?;
        self.check()?;
        let mut filter = ClaimFilter::any()
            .names(self.handlers.iter().map(|(name, _)| name.as_str()))
            .formats(Format::READABLE.iter().copied());
        if let Some(queues) = self.queues {
            filter = filter.queues(queues);
        }
        let environment = PoolEnvironment {
            omniq: self.omniq.clone(),
            states: self.states,
            progressed: Notify::new(),
        };
        let (sender, stopped) = watch::channel(None);
        let shared = Shared {
            environment: Arc::new(environment),
            handlers: HashMap::from_iter(self.handlers),
            filter: Arc::new(filter),
            concurrency: self.concurrency,
            grace: self.grace.unwrap_or(self.omniq.settings().grace()),
            seats: Semaphore::new(self.concurrency),
            buffer: Buffer::default(),
            pace: Pace::new(self.concurrency, self.prefetch),
            held: Held::default(),
            seat_or_room: Notify::new(),
            check_leases: Notify::new(),
            owner_exited: Notify::new(),
            writing_progress: Mutex::new(()),
            stop_request: OnceLock::new(),
            stopping: Token::default(),
            grace_expired: Token::default(),
            claiming_ended: Token::default(),
            settled: Token::default(),
            finished: AtomicU64::new(0),
            released: AtomicU64::new(0),
            stopped,
        };
        AsyncWorkerPool::start(Arc::new(shared), sender)
    }

    fn check(&self) -> Result<()> {
        let max = Semaphore::MAX_PERMITS.min(u32::MAX as usize);
        if self.concurrency == 0 || self.concurrency > max {
            let text = format!(
                "a pool's concurrency is {}, but must be 1 to {max}",
                self.concurrency
            );
            return settings_error(text);
        }
        check_prefetch(self.prefetch)?;
        if self.queues.as_ref().is_some_and(Vec::is_empty) {
            return settings_error(
                "a pool's list of queues is empty: omit it to take tasks from every queue",
            );
        }
        if self.queues.iter().flatten().any(String::is_empty) {
            return settings_error("a pool's list of queues contains an empty name");
        }
        self.check_handlers()
    }

    fn check_handlers(&self) -> Result<()> {
        if self.handlers.is_empty() {
            return settings_error(
                "a pool has no handler: add one with .handler(name, function) or .task::<D>()",
            );
        }
        let mut names = std::collections::HashSet::new();
        for (name, handler) in &self.handlers {
            if name.is_empty() {
                return settings_error("a handler's name is empty");
            }
            if !names.insert(name) {
                return settings_error(format!(
                    "two handlers have the name {name:?}: a pool can have only one handler for a name; give one of \
                     them another name, for example with #[omniq::task(name = \"…\")]"
                ));
            }
            let mut needs = handler.required_states().iter();
            if let Some(need) = needs.find(|need| !self.states.contains_key(&need.id)) {
                return settings_error(self.missing_state(name, need.name));
            }
        }
        Ok(())
    }
}

impl WorkerBuilder {
    /// Returns the error text for a handler that needs a state which the pool was not given.
    fn missing_state(&self, task: &str, wanted: &str) -> String {
        let mut present: Vec<_> = self.states.values().map(|state| state.name).collect();
        present.sort_unstable();
        let present = match present.is_empty() {
            true => String::new(),
            false => format!("; it has {}", present.join(", ")),
        };
        format!(
            "the task {task:?} needs a state of type {wanted}: give the pool one with .state(value){present}"
        )
    }
}

fn settings_error<T>(text: impl Into<String>) -> Result<T> {
    Err(Error::new(ErrorKind::Settings, text))
}

impl fmt::Debug for WorkerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let handlers: Vec<_> = self.handlers.iter().map(|(name, _)| name).collect();
        f.debug_struct("WorkerBuilder")
            .field("handlers", &handlers)
            .field("queues", &self.queues)
            .field("concurrency", &self.concurrency)
            .finish_non_exhaustive()
    }
}

impl AsyncOmniQ {
    /// Returns a builder for a worker pool: add handlers to it, then start it.
    pub fn worker(&self) -> WorkerBuilder {
        WorkerBuilder::new(self.clone())
    }
}
