//! The commands that the writer thread executes: a closed list.

use std::sync::{Arc, Weak};
use std::time::Duration;

use omniq_core::settle::settle;
use omniq_core::storage::{
    ClaimRequest, Claimed, Enqueued, Hold, Lease, ProgressUpdate, PurgeRequest, Settled,
};
use omniq_core::{Change, Error, NewTask, Outcome, Result, Timestamp};
use tokio::sync::oneshot;

use crate::engine::Engine;
use crate::inbox::Inbox;
use crate::query::Query;

/// One command to the writer.
pub(crate) enum Command<E: Engine> {
    Enqueue(Job<E, Enqueue>),
    Claim(Box<Claim<E>>),
    Renew(Job<E, Renew>),
    RecordProgress(Job<E, RecordProgress>),
    Settle(Job<E, Settle>),
    Purge(Job<E, PurgeRequest>),
    /// For storages without threads that read.
    Query(Query<E::Reader, E::Failure>),
}

/// Work inside the batch's transaction. It may be run again if the transaction is rolled back.
pub(crate) trait Write<E: Engine> {
    type Answer;
    fn run(&self, engine: &mut E) -> Result<Self::Answer, E::Failure>;
    /// Estimates how many rows it touches.
    fn rows(&self) -> usize;
}

pub(crate) struct Enqueue {
    pub(crate) tasks: Vec<NewTask>,
    pub(crate) now: Timestamp,
}

pub(crate) struct Renew {
    pub(crate) leases: Vec<Lease>,
    pub(crate) lease_for: Duration,
}

pub(crate) struct RecordProgress {
    pub(crate) updates: Vec<ProgressUpdate>,
    pub(crate) now: Timestamp,
}

pub(crate) struct Settle {
    pub(crate) changes: Vec<Change>,
    pub(crate) now: Timestamp,
}

/// A write, its caller, and the answer that waits for the commit.
pub(crate) struct Job<E: Engine, W: Write<E>> {
    write: W,
    reply: oneshot::Sender<Result<W::Answer>>,
    answer: Option<W::Answer>,
}

impl<E: Engine, W: Write<E>> Job<E, W> {
    pub(crate) fn new(write: W) -> (Self, oneshot::Receiver<Result<W::Answer>>) {
        let (reply, answer) = oneshot::channel();
        (
            Self {
                write,
                reply,
                answer: None,
            },
            answer,
        )
    }

    fn run(&mut self, engine: &mut E) -> Result<(), E::Failure> {
        self.answer = Some(self.write.run(engine)?);
        Ok(())
    }

    fn rows(&self) -> usize {
        self.write.rows()
    }

    // The caller may have stopped waiting: sending to it is allowed to fail.
    fn committed(self) {
        if let Some(answer) = self.answer {
            let _ = self.reply.send(Ok(answer));
        }
    }

    fn failed(self, error: Error) {
        let _ = self.reply.send(Err(error));
    }
}

/// A claim. If its caller does not receive the answer, the tasks are released.
pub(crate) struct Claim<E: Engine> {
    pub(crate) request: ClaimRequest,
    pub(crate) reply: oneshot::Sender<Result<Delivery<E>>>,
    pub(crate) answer: Claimed,
}

impl<E: Engine> Claim<E> {
    /// The first try, at its place in the batch. A caller that is no longer there gets nothing: its claim must not
    /// take a task, not even until the task is released again.
    fn run(&mut self, engine: &mut E) -> Result<(), E::Failure> {
        if !self.reply.is_closed() {
            self.answer = engine.claim(&self.request, self.request.now)?;
        }
        Ok(())
    }

    /// Whether it has no answer yet.
    pub(crate) fn stays_parked(&self) -> bool {
        !self.request.is_answered_by(&self.answer)
    }

    /// Retries at the end of a batch that added work, or after another process wrote. The time of work that other writers added is not known, and
    /// the request's own time may be long past: then the claim only peeks, and its caller claims again.
    pub(crate) fn retry(&mut self, engine: &mut E) -> Result<(), E::Failure> {
        if self.reply.is_closed() {
            return Ok(());
        }
        self.answer = match engine.effects().work_added {
            Some(now) => engine.claim(&self.request, now)?,
            None => engine.peek(&self.request)?,
        };
        Ok(())
    }

    pub(crate) fn committed(self, inbox: &Arc<Inbox<Command<E>>>) {
        let delivery = Delivery {
            claimed: self.answer,
            inbox: Arc::downgrade(inbox),
        };
        let _ = self.reply.send(Ok(delivery));
    }
}

/// Claimed tasks on their way to the caller. If this is dropped on the way, they are released.
pub(crate) struct Delivery<E: Engine> {
    claimed: Claimed,
    inbox: Weak<Inbox<Command<E>>>,
}

impl<E: Engine> Delivery<E> {
    pub(crate) fn take(mut self) -> Claimed {
        std::mem::take(&mut self.claimed)
    }
}

impl<E: Engine> Drop for Delivery<E> {
    fn drop(&mut self) {
        let tasks = std::mem::take(&mut self.claimed.tasks);
        if tasks.is_empty() {
            return;
        }
        let Some(inbox) = self.inbox.upgrade() else {
            return;
        };
        // A release needs neither a time nor jitter: the task stays due as it was.
        let release = |task| settle(task, Outcome::Released, Timestamp(0), 0.0).ok();
        let changes = tasks.iter().filter_map(release).collect();
        let (job, _) = Job::new(Settle {
            changes,
            now: Timestamp(0),
        });
        inbox.send_now(Command::Settle(job));
    }
}

impl<E: Engine> Command<E> {
    /// Whether it goes before others: commands that running tasks need precede new work.
    pub(crate) fn is_urgent(&self) -> bool {
        !matches!(self, Self::Enqueue(_) | Self::Purge(_))
    }

    /// Whether a worker pool usually sends another command at the same time: it settles a task, which frees a
    /// seat, and claims for that seat.
    pub(crate) fn has_companion(&self) -> bool {
        matches!(self, Self::Settle(_) | Self::Claim(_))
    }

    pub(crate) fn rows(&self) -> usize {
        match self {
            Self::Enqueue(job) => job.rows(),
            Self::Claim(claim) => claim.request.limit,
            Self::Renew(job) => job.rows(),
            Self::RecordProgress(job) => job.rows(),
            Self::Settle(job) => job.rows(),
            Self::Purge(job) => job.rows(),
            Self::Query(_) => 1,
        }
    }

    /// Executes it inside the transaction.
    pub(crate) fn run(&mut self, engine: &mut E) -> Result<(), E::Failure> {
        match self {
            Self::Enqueue(job) => job.run(engine),
            Self::Claim(claim) => claim.run(engine),
            Self::Renew(job) => job.run(engine),
            Self::RecordProgress(job) => job.run(engine),
            Self::Settle(job) => job.run(engine),
            Self::Purge(job) => job.run(engine),
            Self::Query(query) => query.run(engine.reader()?),
        }
    }

    /// Retries a claim that would be parked: later commands of its batch added work.
    pub(crate) fn retry(&mut self, engine: &mut E) -> Result<(), E::Failure> {
        match self {
            Self::Claim(claim) if claim.stays_parked() => claim.retry(engine),
            _ => Ok(()),
        }
    }

    /// Answers after the commit. A claim without an answer is returned, to be parked.
    pub(crate) fn committed(self, inbox: &Arc<Inbox<Self>>) -> Option<Claim<E>> {
        match self {
            Self::Enqueue(job) => job.committed(),
            Self::Claim(claim) if claim.stays_parked() => return Some(*claim),
            Self::Claim(claim) => claim.committed(inbox),
            Self::Renew(job) => job.committed(),
            Self::RecordProgress(job) => job.committed(),
            Self::Settle(job) => job.committed(),
            Self::Purge(job) => job.committed(),
            Self::Query(query) => query.answer(),
        }
        None
    }

    /// Answers that it was not executed, or that this is unknown.
    pub(crate) fn failed(self, error: Error) {
        match self {
            Self::Enqueue(job) => job.failed(error),
            Self::Claim(claim) => drop(claim.reply.send(Err(error))),
            Self::Renew(job) => job.failed(error),
            Self::RecordProgress(job) => job.failed(error),
            Self::Settle(job) => job.failed(error),
            Self::Purge(job) => job.failed(error),
            Self::Query(query) => query.failed(error),
        }
    }
}

impl<E: Engine> Write<E> for Enqueue {
    type Answer = Vec<Enqueued>;

    fn run(&self, engine: &mut E) -> Result<Self::Answer, E::Failure> {
        engine.enqueue(&self.tasks, self.now)
    }

    fn rows(&self) -> usize {
        self.tasks.len()
    }
}

impl<E: Engine> Write<E> for Renew {
    type Answer = Vec<Hold>;

    fn run(&self, engine: &mut E) -> Result<Self::Answer, E::Failure> {
        self.leases
            .iter()
            .map(|lease| engine.renew(*lease, self.lease_for))
            .collect()
    }

    fn rows(&self) -> usize {
        self.leases.len()
    }
}

impl<E: Engine> Write<E> for RecordProgress {
    type Answer = Vec<bool>;

    fn run(&self, engine: &mut E) -> Result<Self::Answer, E::Failure> {
        self.updates
            .iter()
            .map(|update| engine.record_progress(update, self.now))
            .collect()
    }

    fn rows(&self) -> usize {
        self.updates.len()
    }
}

impl<E: Engine> Write<E> for Settle {
    type Answer = Vec<Settled>;

    fn run(&self, engine: &mut E) -> Result<Self::Answer, E::Failure> {
        self.changes
            .iter()
            .map(|change| engine.settle(change, self.now))
            .collect()
    }

    fn rows(&self) -> usize {
        self.changes.len()
    }
}

impl<E: Engine> Write<E> for PurgeRequest {
    type Answer = u64;

    fn run(&self, engine: &mut E) -> Result<Self::Answer, E::Failure> {
        engine.purge(self)
    }

    fn rows(&self) -> usize {
        self.limit
    }
}
