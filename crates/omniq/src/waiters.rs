//! Answers waits for results: one subscription to the storage serves all waits of a queue.
//!
//! A wait registers with a hub, a background task that listens to the storage, and gets the result from there.
//! The hub reads new waits and finished tasks in batches. A signal that names no tasks costs one query for all
//! tasks that are waited for, and a read of those that have finished.

use std::collections::{HashMap, HashSet};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll, ready};

use omniq_core::storage::{Signal, Watch};
use omniq_core::{Error, ErrorKind, Result, Storage, Task, TaskId, TaskResult};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::StreamExt as _;

use crate::error::{no_answer, not_found};
use crate::process::Background;
use crate::process::Process;
use crate::storage_retry::StorageRetry;

/// The most tasks that are read in one call.
const READ: usize = 1_000;
/// The most ids in one query for those that have finished.
const QUERY: usize = 10_000;
/// Up to this many tasks are simply read, in one call instead of a query and a read.
const FEW: usize = 16;

/// The waits of a queue. The first wait starts the hub, which runs on the background thread: the runtime of that wait may
/// be blocked while other threads wait.
pub(crate) struct Waiters {
    storage: Arc<dyn Storage>,
    process: Process,
    hub: Mutex<Option<(mpsc::UnboundedSender<Request>, Arc<Background>)>>,
}

/// What a wait sends to the hub. The channel is unbounded because a dropped wait can't wait for room; each wait
/// has at most two requests in it.
enum Request {
    Wait(TaskId, oneshot::Sender<Answer>),
    Leave(TaskId),
}

/// `None` means that there is no such task. An error means that the storage was closed.
type Answer = Result<Option<TaskResult>>;

impl Waiters {
    pub(crate) fn new(storage: Arc<dyn Storage>, process: Process) -> Self {
        Self {
            storage,
            process,
            hub: Mutex::new(None),
        }
    }

    /// Registers a wait for the end of a task. No signal from now on is missed.
    ///
    /// # Errors
    ///
    /// Of kind `Closed` in a forked child; of kind `Storage` if the background thread can't be started.
    pub(crate) fn register(&self, id: TaskId) -> Result<Waiting<'_>> {
        self.process.check()?;
        let hub = self.hub()?;
        let (sender, answer) = oneshot::channel();
        // A hub that has ended drops the request: polling the wait then registers with the next hub.
        let _ = hub.send(Request::Wait(id, sender));
        Ok(Waiting {
            waiters: self,
            id,
            answer,
            leave: Leave(Some((hub, id))),
        })
    }

    fn hub(&self) -> Result<mpsc::UnboundedSender<Request>> {
        let mut hub = self.hub.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((running, _)) = hub.as_ref().filter(|(hub, _)| !hub.is_closed()) {
            return Ok(running.clone());
        }
        let (sender, requests) = mpsc::unbounded_channel();
        let background = Background::of_this_process()?;
        background.spawn(Hub::new(&self.storage).run(requests));
        let hub = hub.insert((sender, background));
        Ok(hub.0.clone())
    }
}

impl Drop for Waiters {
    fn drop(&mut self) {
        if !self.process.is_this() {
            // A forked child does not have the hub that this would end.
            let hub = self.hub.get_mut().unwrap_or_else(PoisonError::into_inner);
            std::mem::forget(hub.take());
        }
    }
}

/// One registered wait.
pub(crate) struct Waiting<'a> {
    waiters: &'a Waiters,
    id: TaskId,
    answer: oneshot::Receiver<Answer>,
    leave: Leave,
}

impl Future for Waiting<'_> {
    type Output = Result<TaskResult>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            if let Ok(answer) = ready!(Pin::new(&mut self.answer).poll(cx)) {
                self.leave.0 = None;
                return Poll::Ready(match answer {
                    Ok(Some(result)) => Ok(result),
                    Ok(None) => Err(not_found(self.id)),
                    Err(error) => Err(error),
                });
            }
            // The hub ended before it answered, so this registers with the next one.
            *self = self.waiters.register(self.id)?;
        }
    }
}

/// Unregisters a wait when it is dropped.
struct Leave(Option<(mpsc::UnboundedSender<Request>, TaskId)>);

impl Drop for Leave {
    fn drop(&mut self) {
        if let Some((hub, id)) = self.0.take() {
            // An error means that the hub has ended.
            let _ = hub.send(Request::Leave(id));
        }
    }
}

/// Refuses fewer answers than ids: the waits that got none would otherwise never end.
fn one_for_each(found: Vec<Option<Task>>, ids: &[TaskId]) -> Result<Vec<Option<Task>>> {
    match found.len() == ids.len() {
        true => Ok(found),
        false => Err(no_answer()),
    }
}

/// The background task behind all waits of a queue.
struct Hub {
    /// Weak, so that dropping the last queue closes the storage immediately, even while this task still runs.
    storage: Weak<dyn Storage>,
    watch: Watch,
    watch_ended: bool,
    waiting: HashMap<TaskId, Vec<oneshot::Sender<Answer>>>,
    to_read: HashSet<TaskId>,
    retry: StorageRetry,
}

impl Hub {
    fn new(storage: &Arc<dyn Storage>) -> Self {
        Self {
            watch: storage.watch(),
            watch_ended: false,
            storage: Arc::downgrade(storage),
            waiting: HashMap::new(),
            to_read: HashSet::new(),
            retry: StorageRetry::new("reading results"),
        }
    }

    /// Runs until the queue is dropped or its storage is closed.
    async fn run(mut self, mut requests: mpsc::UnboundedReceiver<Request>) {
        let mut inbox = Vec::new();
        loop {
            tokio::select! {
                count = requests.recv_many(&mut inbox, READ) => {
                    if count == 0 {
                        return;
                    }
                    inbox.drain(..).for_each(|request| self.accept(request));
                }
                signal = self.watch.next() => self.handle_signal(signal),
            }
            self.handle_pending_signals().await;
            // A queue that was dropped has no waits any more.
            if self.storage.strong_count() == 0 {
                return;
            }
            let mut served = self.read_all().await;
            if served.is_ok() && self.watch_ended {
                served = self.watch_again().await;
            }
            if let Err(closed) = served {
                self.fail_all(&closed);
                return;
            }
        }
    }

    fn accept(&mut self, request: Request) {
        match request {
            Request::Wait(id, sender) => {
                self.waiting.entry(id).or_default().push(sender);
                self.to_read.insert(id);
            }
            Request::Leave(id) => {
                if let Some(senders) = self.waiting.get_mut(&id) {
                    senders.retain(|sender| !sender.is_closed());
                    if senders.is_empty() {
                        self.waiting.remove(&id);
                    }
                }
            }
        }
    }

    fn handle_signal(&mut self, signal: Option<Signal>) {
        match signal {
            Some(Signal::Finished(ids) | Signal::Cancelled(ids)) => {
                let waited_for = ids.iter().filter(|id| self.waiting.contains_key(id));
                self.to_read.extend(waited_for);
            }
            Some(Signal::Enqueued | Signal::OwnerExited) => {}
            Some(_) => self.to_read.extend(self.waiting.keys()),
            None => {
                self.watch_ended = true;
                self.to_read.extend(self.waiting.keys());
            }
        }
    }

    /// Handles the signals that arrived during the last read: together they need one more read.
    async fn handle_pending_signals(&mut self) {
        while !self.watch_ended {
            tokio::select! {
                biased;
                signal = self.watch.next() => self.handle_signal(signal),
                () = std::future::ready(()) => return,
            }
        }
    }

    /// Subscribes again after the storage's stream of signals has ended.
    async fn watch_again(&mut self) -> Result<()> {
        let text = "the storage's stream of signals ended";
        let error = Error::new(ErrorKind::Storage, text);
        let Some(storage) = self.storage.upgrade() else {
            return Ok(());
        };
        // The stream ends when the storage was closed. Any call shows whether it was.
        match storage.finished_or_unknown(Vec::new()).await {
            Err(error) if error.kind() == ErrorKind::Closed => return Err(error),
            _ => drop(storage),
        }
        tokio::time::sleep(self.retry.failed(&error)).await;
        if let Some(storage) = self.storage.upgrade() {
            self.watch = storage.watch();
            self.watch_ended = false;
        }
        self.to_read.extend(self.waiting.keys());
        Ok(())
    }

    /// Reads all tasks that may have finished, and answers their waits. If the storage fails, the read is repeated until
    /// it succeeds; each caller meanwhile keeps its own time limit.
    ///
    /// # Errors
    ///
    /// Of kind `Closed` only.
    async fn read_all(&mut self) -> Result<()> {
        self.to_read.retain(|id| self.waiting.contains_key(id));
        let mut ids: Vec<TaskId> = self.to_read.drain().collect();
        // Sorted, so that tasks that are adjacent in the storage are read together.
        ids.sort_unstable();
        for many in ids.chunks(QUERY) {
            let finished = match many.len() > FEW {
                true => self.finished(many).await?,
                false => many.to_vec(),
            };
            for ids in finished.chunks(READ) {
                self.read(ids).await?;
            }
        }
        Ok(())
    }

    /// Returns the ids of those tasks that have finished or are unknown.
    async fn finished(&mut self, ids: &[TaskId]) -> Result<Vec<TaskId>> {
        while let Some(storage) = self.storage.upgrade() {
            match storage.finished_or_unknown(ids.to_vec()).await {
                Ok(finished) => {
                    self.retry.succeeded();
                    return Ok(finished);
                }
                Err(error) => {
                    drop(storage);
                    self.wait_after(error).await?;
                }
            }
        }
        Ok(Vec::new())
    }

    async fn read(&mut self, ids: &[TaskId]) -> Result<()> {
        while let Some(storage) = self.storage.upgrade() {
            let found = storage.get(ids.to_vec()).await;
            match found.and_then(|found| one_for_each(found, ids)) {
                Ok(found) => {
                    self.retry.succeeded();
                    for (id, task) in ids.iter().zip(found) {
                        self.answer(*id, task.as_ref());
                    }
                    return Ok(());
                }
                Err(error) => {
                    drop(storage);
                    self.wait_after(error).await?;
                }
            }
        }
        Ok(())
    }

    /// Waits before the next try; a closed storage is not tried again.
    async fn wait_after(&mut self, error: Error) -> Result<()> {
        if error.kind() == ErrorKind::Closed {
            return Err(error);
        }
        tokio::time::sleep(self.retry.failed(&error)).await;
        Ok(())
    }

    /// Answers the waits for a task, unless it has not finished.
    fn answer(&mut self, id: TaskId, task: Option<&Task>) {
        let answer = match task {
            None => None,
            Some(task) => match task.outcome() {
                None => return,
                outcome => outcome,
            },
        };
        for sender in self.waiting.remove(&id).unwrap_or_default() {
            // An error means that this caller does not wait any more.
            let _ = sender.send(Ok(answer.clone()));
        }
    }

    fn fail_all(&mut self, closed: &Error) {
        for sender in self.waiting.drain().flat_map(|(_, senders)| senders) {
            // An error means that this caller does not wait any more.
            let _ = sender.send(Err(closed.clone()));
        }
    }
}
