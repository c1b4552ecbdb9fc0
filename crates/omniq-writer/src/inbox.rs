//! The bounded queue between async callers and a thread that does blocking work.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use omniq_core::{Error, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::errors;
use crate::mutex::lock;

/// How many commands may wait. Further senders wait for room.
const CAPACITY: usize = 4096;

/// A queue of commands. Urgent ones go first.
pub struct Inbox<T> {
    /// The storage's name, for error texts.
    storage: &'static str,
    state: Mutex<State<T>>,
    arrived: Condvar,
    /// Urgent commands have room of their own, so that they never wait for room behind ordinary ones.
    urgent_room: Arc<Semaphore>,
    room: Arc<Semaphore>,
}

struct State<T> {
    queued: Pending<T>,
    sleeping: usize,
    nudged: bool,
    closed: bool,
}

/// A queued command, and the room that it takes until it is answered or parked.
pub struct Queued<T> {
    /// The command.
    pub body: T,
    _room: Option<OwnedSemaphorePermit>,
}

/// Why [`Inbox::collect`] returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wake {
    /// There are commands, or [`Inbox::nudge`] was called.
    Work,
    /// The time limit expired.
    Timer,
    /// The inbox is closed and empty.
    Closed,
}

/// Commands that wait, in the order in which they are executed.
pub(crate) struct Pending<T> {
    urgent: VecDeque<Queued<T>>,
    ordinary: VecDeque<Queued<T>>,
}

impl<T> Default for Pending<T> {
    fn default() -> Self {
        Self {
            urgent: VecDeque::new(),
            ordinary: VecDeque::new(),
        }
    }
}

impl<T> Pending<T> {
    fn push(&mut self, urgent: bool, queued: Queued<T>) {
        if urgent {
            self.urgent.push_back(queued);
        } else {
            self.ordinary.push_back(queued);
        }
    }

    /// Takes the next command.
    pub(crate) fn pop(&mut self) -> Option<Queued<T>> {
        self.urgent
            .pop_front()
            .or_else(|| self.ordinary.pop_front())
    }

    /// Puts commands back before all others, in their order.
    pub(crate) fn put_back(&mut self, commands: Vec<Queued<T>>) {
        for queued in commands.into_iter().rev() {
            self.urgent.push_front(queued);
        }
    }

    fn append(&mut self, other: &mut Self) {
        self.urgent.append(&mut other.urgent);
        self.ordinary.append(&mut other.ordinary);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.urgent.is_empty() && self.ordinary.is_empty()
    }

    /// Returns the command, if there is exactly one.
    pub(crate) fn only(&self) -> Option<&Queued<T>> {
        if self.urgent.len() + self.ordinary.len() == 1 {
            self.urgent.front().or(self.ordinary.front())
        } else {
            None
        }
    }
}

impl<T> Inbox<T> {
    /// Creates an empty inbox of the storage with this name.
    pub fn new(storage: &'static str) -> Self {
        Self {
            storage,
            state: Mutex::new(State {
                queued: Pending::default(),
                sleeping: 0,
                nudged: false,
                closed: false,
            }),
            arrived: Condvar::new(),
            urgent_room: Arc::new(Semaphore::new(CAPACITY)),
            room: Arc::new(Semaphore::new(CAPACITY)),
        }
    }

    /// Queues a command once there is room.
    ///
    /// # Errors
    ///
    /// Of kind [`Closed`](omniq_core::ErrorKind::Closed) after [`close`](Self::close).
    pub async fn send(&self, urgent: bool, body: T) -> Result<()> {
        let room = if urgent {
            &self.urgent_room
        } else {
            &self.room
        };
        let room = match room.clone().try_acquire_owned() {
            Ok(room) => room,
            Err(_) => room
                .clone()
                .acquire_owned()
                .await
                .map_err(|_| self.closed())?,
        };
        let queued = Queued {
            body,
            _room: Some(room),
        };
        let state = lock(&self.state);
        if state.closed {
            return Err(self.closed());
        }
        self.put(state, urgent, queued);
        Ok(())
    }

    /// Returns the error of a storage that was closed.
    pub(crate) fn closed(&self) -> Error {
        errors::closed(self.storage)
    }

    /// Queues a command without waiting for room, for the few that a `Drop` sends. They are accepted even after
    /// the inbox was closed, and executed if the thread still runs.
    pub(crate) fn send_now(&self, body: T) {
        self.put(lock(&self.state), true, Queued { body, _room: None });
    }

    fn put(&self, mut state: MutexGuard<'_, State<T>>, urgent: bool, queued: Queued<T>) {
        state.queued.push(urgent, queued);
        let wake = state.sleeping > 0;
        drop(state);
        if wake {
            self.arrived.notify_one();
        }
    }

    /// Wakes a thread that waits for commands, without a command.
    pub(crate) fn nudge(&self) {
        lock(&self.state).nudged = true;
        self.arrived.notify_one();
    }

    /// Rejects further commands; those that wait are still executed.
    pub fn close(&self) {
        self.room.close();
        self.urgent_room.close();
        lock(&self.state).closed = true;
        self.arrived.notify_all();
    }

    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.state).queued.is_empty()
    }

    /// Drops the commands that wait.
    pub(crate) fn clear(&self) {
        let queued = std::mem::take(&mut lock(&self.state).queued);
        // Their drops may lock the inbox.
        drop(queued);
    }

    /// Moves all commands that wait into `pending`, without sleeping.
    pub(crate) fn collect_more(&self, pending: &mut Pending<T>) {
        pending.append(&mut lock(&self.state).queued);
    }

    /// Moves all commands that wait into `pending`; sleeps while there are none, for `patience` at most.
    pub(crate) fn collect(&self, pending: &mut Pending<T>, patience: Option<Duration>) -> Wake {
        let mut state = lock(&self.state);
        loop {
            pending.append(&mut state.queued);
            let nudged = std::mem::take(&mut state.nudged);
            if nudged || !pending.is_empty() {
                return Wake::Work;
            }
            if state.closed {
                return Wake::Closed;
            }
            let (awake, timed_out) = self.sleep(state, patience);
            state = awake;
            let quiet = state.queued.is_empty() && !state.nudged;
            if timed_out && quiet && !state.closed {
                return Wake::Timer;
            }
        }
    }

    /// Waits for one command, for threads that share an inbox. `None` once the inbox is closed and empty.
    pub fn next(&self) -> Option<Queued<T>> {
        let mut state = lock(&self.state);
        loop {
            let queued = state.queued.pop();
            if queued.is_some() || state.closed {
                return queued;
            }
            state = self.sleep(state, None).0;
        }
    }

    /// Sleeps until it is woken. Returns true if `patience` expired.
    fn sleep<'a>(
        &self,
        mut state: MutexGuard<'a, State<T>>,
        patience: Option<Duration>,
    ) -> (MutexGuard<'a, State<T>>, bool) {
        state.sleeping += 1;
        let (mut state, timed_out) = match patience {
            None => {
                let woken = self.arrived.wait(state);
                (woken.unwrap_or_else(PoisonError::into_inner), false)
            }
            Some(patience) => {
                let woken = self.arrived.wait_timeout(state, patience);
                let (state, result) = woken.unwrap_or_else(PoisonError::into_inner);
                (state, result.timed_out())
            }
        };
        state.sleeping -= 1;
        (state, timed_out)
    }
}
