//! Sets up a worker pool: checks the options, and starts it.

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

/// Sets up a worker pool; nothing happens before [`start`](Self::start).
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

    /// How many handlers run at the same time, at least 1; 8 by default.
    pub fn concurrency(mut self, handlers: usize) -> Self {
        self.concurrency = handlers;
        self
    }

    /// Takes tasks from these queues only; from every queue by default.
    pub fn queues<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.queues = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Runs the tasks of a definition.
    pub fn task<D: TaskDef>(self) -> Self {
        self.with_handler(D::NAME, D::handler())
    }

    /// Runs the tasks of this name with an async function of the context and the arguments; for one that
    /// blocks, see [`Handler::blocking`].
    pub fn handler<F, Fut, T>(self, name: &str, function: F) -> Self
    where
        F: Fn(TaskContext, Args) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, TaskError>> + Send + 'static,
        T: Serialize,
    {
        self.with_handler(name, Handler::new(function))
    }

    /// Runs the tasks of this name with a handler: one that blocks, say, or reads its arguments typed.
    pub fn with_handler(mut self, name: &str, handler: Handler) -> Self {
        self.handlers.push((name.to_owned(), handler));
        self
    }

    /// A value for [`TaskContext::state`]; one per type, the last one counts.
    pub fn state<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        let state = NamedState {
            name: type_name::<T>(),
            value: Box::new(value),
        };
        self.states.insert(TypeId::of::<T>(), state);
        self
    }

    /// How long a stopping pool waits for running handlers; from the settings by default.
    pub fn grace(mut self, span: Duration) -> Self {
        self.grace = Some(span);
        self
    }

    /// How many tasks are claimed ahead of the free seats, at most 10,000. 0 claims only for free seats.
    /// From the settings by default, which let the pool measure it: about what it finishes while one claim
    /// is under way, none for slow handlers. What could not start within 50 ms is given back.
    pub fn prefetch(mut self, tasks: usize) -> Self {
        self.prefetch = Some(tasks);
        self
    }

    /// Starts the pool. It takes only tasks that it has a handler for.
    ///
    /// An error of kind `Settings` if no handler was named, or one name twice; if a task needs a state that
    /// the pool was not given; if the concurrency is 0, or a queue's name is empty.
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
            grace_over: Token::default(),
            claimed_last: Token::default(),
            settled: Token::default(),
            finished: AtomicU64::new(0),
            released: AtomicU64::new(0),
            stopped,
        };
        AsyncWorkerPool::start(Arc::new(shared), sender)
    }

    fn check(&self) -> Result<()> {
        let most = Semaphore::MAX_PERMITS.min(u32::MAX as usize);
        if self.concurrency == 0 || self.concurrency > most {
            let text = format!(
                "a pool's concurrency is {}, but must be 1 to {most}",
                self.concurrency
            );
            return refused(text);
        }
        check_prefetch(self.prefetch)?;
        if self.queues.as_ref().is_some_and(Vec::is_empty) {
            return refused(
                "a pool's list of queues is empty: leave it out to take from every queue",
            );
        }
        if self.queues.iter().flatten().any(String::is_empty) {
            return refused("a pool's list of queues holds an empty name");
        }
        self.check_handlers()
    }

    fn check_handlers(&self) -> Result<()> {
        if self.handlers.is_empty() {
            return refused(
                "a pool has no handler: add one with .handler(name, function) or .task::<D>()",
            );
        }
        let mut names = std::collections::HashSet::new();
        for (name, handler) in &self.handlers {
            if name.is_empty() {
                return refused("a handler's name is empty");
            }
            if !names.insert(name) {
                return refused(format!(
                    "two handlers have the name {name:?}: a pool takes one of each, once; give one of them \
                     another, as by #[omniq::task(name = \"…\")]"
                ));
            }
            let mut needs = handler.asks_for().iter();
            if let Some(need) = needs.find(|need| !self.states.contains_key(&need.id)) {
                return refused(self.missing_state(name, need.name));
            }
        }
        Ok(())
    }
}

impl WorkerBuilder {
    fn missing_state(&self, task: &str, wanted: &str) -> String {
        let mut given: Vec<_> = self.states.values().map(|state| state.name).collect();
        given.sort_unstable();
        let given = match given.is_empty() {
            true => String::new(),
            false => format!("; it was given {}", given.join(", ")),
        };
        format!(
            "the task {task:?} needs a state of type {wanted}: give the pool one with .state(value){given}"
        )
    }
}

fn refused<T>(text: impl Into<String>) -> Result<T> {
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
    /// Returns a builder for a worker pool, to be set up and started.
    pub fn worker(&self) -> WorkerBuilder {
        WorkerBuilder::new(self.clone())
    }
}
