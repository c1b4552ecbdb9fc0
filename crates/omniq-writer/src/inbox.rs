//! The bounded queue between async callers and a thread that does blocking work.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use omniq_core::{Error, ErrorKind, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many commands may wait; further senders wait for room.
const CAPACITY: usize = 4096;

/// Where commands wait. What is urgent goes first.
pub struct Inbox<T> {
    /// Whose it is, for error texts.
    storage: &'static str,
    state: Mutex<State<T>>,
    arrived: Condvar,
    /// What is urgent never waits for room behind what is not.
    urgent_room: Arc<Semaphore>,
    room: Arc<Semaphore>,
}

struct State<T> {
    urgent: VecDeque<Queued<T>>,
    ordinary: VecDeque<Queued<T>>,
    sleeping: usize,
    nudged: bool,
    closed: bool,
}

/// A command, and the room that it takes until it is answered.
pub struct Queued<T> {
    /// The command.
    pub body: T,
    _room: Option<OwnedSemaphorePermit>,
}

/// Why [`Inbox::collect`] came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wake {
    /// There are letters, or somebody nudged.
    Work,
    /// The time is over.
    Timer,
    /// Nobody will send any more, and nothing is left.
    Closed,
}

/// Letters that were collected and not yet worked on.
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
    /// The next letter.
    pub(crate) fn pop(&mut self) -> Option<Queued<T>> {
        self.urgent
            .pop_front()
            .or_else(|| self.ordinary.pop_front())
    }

    /// Puts letters back before all others, in their order.
    pub(crate) fn put_back(&mut self, letters: Vec<Queued<T>>) {
        for letter in letters.into_iter().rev() {
            self.urgent.push_front(letter);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.urgent.is_empty() && self.ordinary.is_empty()
    }

    /// The letter, if there is just one.
    pub(crate) fn only(&self) -> Option<&Queued<T>> {
        let single = self.urgent.len() + self.ordinary.len() == 1;
        let first = self.urgent.front().or(self.ordinary.front());
        first.filter(|_| single)
    }
}

impl<T> Inbox<T> {
    /// An empty one, of the storage that is called so.
    pub fn new(storage: &'static str) -> Self {
        Self {
            storage,
            state: Mutex::new(State {
                urgent: VecDeque::new(),
                ordinary: VecDeque::new(),
                sleeping: 0,
                nudged: false,
                closed: false,
            }),
            arrived: Condvar::new(),
            urgent_room: Arc::new(Semaphore::new(CAPACITY)),
            room: Arc::new(Semaphore::new(CAPACITY)),
        }
    }

    /// Sends a command, once there is room.
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
        let letter = Queued {
            body,
            _room: Some(room),
        };
        let state = self.lock();
        if state.closed {
            return Err(self.closed());
        }
        self.put(state, urgent, letter);
        Ok(())
    }

    /// The error of a storage that was closed.
    pub(crate) fn closed(&self) -> Error {
        closed(self.storage)
    }

    /// Sends a command without waiting for room: for the few that come out of a drop. They are taken even
    /// after the closing, as long as the thread works on what was sent before.
    pub(crate) fn send_now(&self, body: T) {
        self.put(self.lock(), true, Queued { body, _room: None });
    }

    fn put(&self, mut state: MutexGuard<'_, State<T>>, urgent: bool, letter: Queued<T>) {
        if urgent {
            state.urgent.push_back(letter);
        } else {
            state.ordinary.push_back(letter);
        }
        let wake = state.sleeping > 0;
        drop(state);
        if wake {
            self.arrived.notify_one();
        }
    }

    /// Wakes a sleeper that waits for letters, without one.
    pub(crate) fn nudge(&self) {
        self.lock().nudged = true;
        self.arrived.notify_one();
    }

    /// Refuses further letters; those that wait are still worked on.
    pub fn close(&self) {
        self.room.close();
        self.urgent_room.close();
        self.lock().closed = true;
        self.arrived.notify_all();
    }

    pub(crate) fn is_empty(&self) -> bool {
        let state = self.lock();
        state.urgent.is_empty() && state.ordinary.is_empty()
    }

    /// Drops what waits.
    pub(crate) fn clear(&self) {
        let mut state = self.lock();
        let letters = (
            std::mem::take(&mut state.urgent),
            std::mem::take(&mut state.ordinary),
        );
        drop(state);
        drop(letters);
    }

    /// Moves all that waits into the tray, without sleeping.
    pub(crate) fn collect_more(&self, tray: &mut Pending<T>) {
        let mut state = self.lock();
        tray.urgent.append(&mut state.urgent);
        tray.ordinary.append(&mut state.ordinary);
    }

    /// Moves all that waits into the tray; sleeps while there is nothing, at most for `patience`.
    pub(crate) fn collect(&self, tray: &mut Pending<T>, patience: Option<Duration>) -> Wake {
        let mut state = self.lock();
        loop {
            tray.urgent.append(&mut state.urgent);
            tray.ordinary.append(&mut state.ordinary);
            let nudged = std::mem::take(&mut state.nudged);
            if nudged || !tray.is_empty() {
                return Wake::Work;
            }
            if state.closed {
                return Wake::Closed;
            }
            state.sleeping += 1;
            let (awake, timed_out) = self.sleep(state, patience);
            state = awake;
            state.sleeping -= 1;
            let quiet = state.urgent.is_empty() && state.ordinary.is_empty() && !state.nudged;
            if timed_out && quiet && !state.closed {
                return Wake::Timer;
            }
        }
    }

    /// Waits for one letter: for threads that share an inbox.
    pub fn next(&self) -> Option<Queued<T>> {
        let mut state = self.lock();
        loop {
            let letter = state
                .urgent
                .pop_front()
                .or_else(|| state.ordinary.pop_front());
            if letter.is_some() || state.closed {
                return letter;
            }
            state.sleeping += 1;
            state = self.sleep(state, None).0;
            state.sleeping -= 1;
        }
    }

    fn sleep<'a>(
        &self,
        state: MutexGuard<'a, State<T>>,
        patience: Option<Duration>,
    ) -> (MutexGuard<'a, State<T>>, bool) {
        match patience {
            None => (
                self.arrived
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
                false,
            ),
            Some(time) => {
                let (state, result) = self
                    .arrived
                    .wait_timeout(state, time)
                    .unwrap_or_else(PoisonError::into_inner);
                (state, result.timed_out())
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The error of a storage that was closed.
pub(crate) fn closed(storage: &str) -> Error {
    let text = format!("the {storage} storage was closed: open it again");
    Error::new(ErrorKind::Closed, text)
}
