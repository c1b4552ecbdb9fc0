//! One subscription for everybody who waits for a result.
//!
//! A wait sends its wish to one task that listens to the storage, and gets the result from there. What is
//! to be looked up (new wishes, and finished tasks that somebody waits for) is read in one batch. A signal
//! that names no tasks costs one question for all that are waited for, and a read of those that finished.

use std::collections::{HashMap, HashSet};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll, ready};

use omniq_core::storage::{Signal, Watch};
use omniq_core::{Error, ErrorKind, Result, Storage, Task, TaskId, TaskResult};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::StreamExt as _;

use crate::error::not_found;
use crate::process::Background;
use crate::process::Process;
use crate::storage_retry::StorageRetry;

/// How many tasks are read at once …
const LOOK: usize = 1_000;
/// … of how many it is asked at once whether they have finished …
const ASK: usize = 10_000;
/// … and how many are simply read, in one turn instead of two.
const FEW: usize = 16;

/// Where waits go. The listening task starts with the first of them, on a thread of its own: the runtime
/// that waited first may stand still while others wait.
pub(crate) struct Waiters {
    storage: Arc<dyn Storage>,
    process: Process,
    hub: Mutex<Option<(mpsc::UnboundedSender<Wish>, Arc<Background>)>>,
}

/// What a wait tells the hub. The channel is unbounded because a dropped wait can't wait for room; each
/// wait has at most two wishes in it.
enum Wish {
    Wait(TaskId, oneshot::Sender<Answer>),
    Leave(TaskId),
}

/// `None`: there is no such task.
type Answer = Option<TaskResult>;

impl Waiters {
    pub(crate) fn new(storage: Arc<dyn Storage>, process: Process) -> Self {
        Self {
            storage,
            process,
            hub: Mutex::new(None),
        }
    }

    /// Begins to wait until the task has finished: what happens from now on is not missed.
    pub(crate) fn ask(&self, id: TaskId) -> Result<Waiting<'_>> {
        self.process.check()?;
        let hub = self.hub()?;
        let (sender, answer) = oneshot::channel();
        // A hub that ended drops the wish: then the next one is asked.
        let _ = hub.send(Wish::Wait(id, sender));
        Ok(Waiting {
            waiters: self,
            id,
            answer,
            leave: Leave(Some((hub, id))),
        })
    }

    fn hub(&self) -> Result<mpsc::UnboundedSender<Wish>> {
        let mut hub = self.hub.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((running, _)) = hub.as_ref().filter(|(hub, _)| !hub.is_closed()) {
            return Ok(running.clone());
        }
        let (sender, wishes) = mpsc::unbounded_channel();
        let heart = Background::of_this_process()?;
        heart.spawn(Hub::new(&self.storage).run(wishes));
        let hub = hub.insert((sender, heart));
        Ok(hub.0.clone())
    }
}

impl Drop for Waiters {
    fn drop(&mut self) {
        if !self.process.is_this() {
            // The end of the hub, which a forked child does not have.
            let hub = self.hub.get_mut().unwrap_or_else(PoisonError::into_inner);
            std::mem::forget(hub.take());
        }
    }
}

/// One wait.
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
                return Poll::Ready(answer.ok_or_else(|| not_found(self.id)));
            }
            *self = self.waiters.ask(self.id)?;
        }
    }
}

/// Takes a dropped wait out of the hub's book.
struct Leave(Option<(mpsc::UnboundedSender<Wish>, TaskId)>);

impl Drop for Leave {
    fn drop(&mut self) {
        if let Some((hub, id)) = self.0.take() {
            // An error means that the hub, and its book, are gone.
            let _ = hub.send(Wish::Leave(id));
        }
    }
}

struct Hub {
    /// Weak, so that the last queue's end closes it at once, and not whenever this task has noticed.
    storage: Weak<dyn Storage>,
    watch: Watch,
    waiting: HashMap<TaskId, Vec<oneshot::Sender<Answer>>>,
    to_look_up: HashSet<TaskId>,
    trouble: StorageRetry,
}

impl Hub {
    fn new(storage: &Arc<dyn Storage>) -> Self {
        Self {
            watch: storage.watch(),
            storage: Arc::downgrade(storage),
            waiting: HashMap::new(),
            to_look_up: HashSet::new(),
            trouble: StorageRetry::new("reading results"),
        }
    }

    async fn run(mut self, mut wishes: mpsc::UnboundedReceiver<Wish>) {
        let mut inbox = Vec::new();
        loop {
            tokio::select! {
                count = wishes.recv_many(&mut inbox, LOOK) => {
                    if count == 0 {
                        return;
                    }
                    inbox.drain(..).for_each(|wish| self.note(wish));
                }
                signal = self.watch.next() => self.hear(signal).await,
            }
            self.hear_the_rest().await;
            // Nobody can wait any more for what is gone.
            if self.storage.strong_count() == 0 {
                return;
            }
            self.look().await;
        }
    }

    fn note(&mut self, wish: Wish) {
        match wish {
            Wish::Wait(id, sender) => {
                self.waiting.entry(id).or_default().push(sender);
                self.to_look_up.insert(id);
            }
            Wish::Leave(id) => {
                if let Some(senders) = self.waiting.get_mut(&id) {
                    senders.retain(|sender| !sender.is_closed());
                    if senders.is_empty() {
                        self.waiting.remove(&id);
                    }
                }
            }
        }
    }

    async fn hear(&mut self, signal: Option<Signal>) {
        match signal {
            Some(Signal::Finished(ids) | Signal::Cancelled(ids)) => {
                let waited_for = ids.iter().filter(|id| self.waiting.contains_key(id));
                self.to_look_up.extend(waited_for);
            }
            Some(Signal::Enqueued | Signal::OwnerExited) => {}
            Some(_) => self.to_look_up.extend(self.waiting.keys()),
            None => self.listen_again().await,
        }
    }

    async fn listen_again(&mut self) {
        if self.storage.strong_count() == 0 {
            return;
        }
        let text = "the storage's stream of signals ended";
        let error = Error::new(ErrorKind::Storage, text);
        tokio::time::sleep(self.trouble.failed(&error)).await;
        if let Some(storage) = self.storage.upgrade() {
            self.watch = storage.watch();
        }
        self.to_look_up.extend(self.waiting.keys());
    }

    /// What was called out during the last look needs one more look, however often it was.
    async fn hear_the_rest(&mut self) {
        loop {
            tokio::select! {
                biased;
                signal = self.watch.next() => {
                    let ended = signal.is_none();
                    self.hear(signal).await;
                    if ended {
                        return;
                    }
                }
                () = std::future::ready(()) => return,
            }
        }
    }

    /// Looks up what has to be; a storage that fails is asked again, while each wait keeps its own limit.
    async fn look(&mut self) {
        self.to_look_up.retain(|id| self.waiting.contains_key(id));
        let mut ids: Vec<TaskId> = self.to_look_up.drain().collect();
        // Neighbours in the storage one after the other.
        ids.sort_unstable();
        for many in ids.chunks(ASK) {
            let finished = match many.len() > FEW {
                true => self.finished(many).await,
                false => many.to_vec(),
            };
            for ids in finished.chunks(LOOK) {
                self.read(ids).await;
            }
        }
    }

    /// Which of these are worth reading.
    async fn finished(&mut self, ids: &[TaskId]) -> Vec<TaskId> {
        while let Some(storage) = self.storage.upgrade() {
            match storage.finished_or_unknown(ids.to_vec()).await {
                Ok(finished) => {
                    self.trouble.over();
                    return finished;
                }
                Err(error) => {
                    drop(storage);
                    tokio::time::sleep(self.trouble.failed(&error)).await;
                }
            }
        }
        Vec::new()
    }

    async fn read(&mut self, ids: &[TaskId]) {
        while let Some(storage) = self.storage.upgrade() {
            match storage.get(ids.to_vec()).await {
                Ok(found) => {
                    self.trouble.over();
                    for (id, task) in ids.iter().zip(found) {
                        self.answer(*id, task.as_ref());
                    }
                    return;
                }
                Err(error) => {
                    drop(storage);
                    tokio::time::sleep(self.trouble.failed(&error)).await;
                }
            }
        }
    }

    fn answer(&mut self, id: TaskId, task: Option<&Task>) {
        let answer = task.map(Task::outcome);
        if answer == Some(None) {
            return;
        }
        for sender in self.waiting.remove(&id).unwrap_or_default() {
            // An error means that this one does not wait any more.
            let _ = sender.send(answer.clone().flatten());
        }
    }
}
