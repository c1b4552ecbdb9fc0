//! What the writer thread can be asked for: a closed list.

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
    /// Where nobody else can look, the writer does.
    Query(Query<E::Reader, E::Failure>),
}

/// Work inside the batch's transaction. It may be run again if the transaction is rolled back.
pub(crate) trait Write<E: Engine> {
    type Answer;
    fn run(&self, engine: &mut E) -> Result<Self::Answer, E::Failure>;
    /// About how many rows it touches.
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

/// A write, whom to answer, and the answer that waits for the commit.
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

    // A caller that went away needs no answer: sending to it is allowed to fail.
    fn committed(self) {
        if let Some(answer) = self.answer {
            let _ = self.reply.send(Ok(answer));
        }
    }

    fn failed(self, error: Error) {
        let _ = self.reply.send(Err(error));
    }
}

/// A claim: its answer is given back if nobody takes it.
pub(crate) struct Claim<E: Engine> {
    pub(crate) request: ClaimRequest,
    pub(crate) reply: oneshot::Sender<Result<Catch<E>>>,
    pub(crate) answer: Claimed,
}

impl<E: Engine> Claim<E> {
    /// Whether it has nothing to say yet.
    pub(crate) fn stays_parked(&self) -> bool {
        !self.request.is_answered_by(&self.answer)
    }

    /// Looks once more, at the end of a batch that brought work. Work that others wrote does not tell the
    /// time, and the request's own may be long past: then the claimer is told to look.
    pub(crate) fn try_again(&mut self, engine: &mut E) -> Result<(), E::Failure> {
        self.answer = match engine.effects().work_added {
            Some(now) => engine.claim(&self.request, now)?,
            None => engine.peek(&self.request)?,
        };
        Ok(())
    }

    pub(crate) fn committed(self, inbox: &Arc<Inbox<Command<E>>>) {
        let catch = Catch {
            claimed: self.answer,
            inbox: Arc::downgrade(inbox),
        };
        let _ = self.reply.send(Ok(catch));
    }
}

/// Claimed tasks on their way to the claimer. Dropped on the way, they are released.
pub(crate) struct Catch<E: Engine> {
    claimed: Claimed,
    inbox: Weak<Inbox<Command<E>>>,
}

impl<E: Engine> Catch<E> {
    pub(crate) fn take(mut self) -> Claimed {
        std::mem::take(&mut self.claimed)
    }
}

impl<E: Engine> Drop for Catch<E> {
    fn drop(&mut self) {
        let tasks = std::mem::take(&mut self.claimed.tasks);
        let Some(inbox) = self.inbox.upgrade().filter(|_| !tasks.is_empty()) else {
            return;
        };
        // A release needs neither a time nor dice: the task stays due as it was.
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
    /// What running tasks need goes before new work.
    pub(crate) fn is_urgent(&self) -> bool {
        !matches!(self, Self::Enqueue(_) | Self::Purge(_))
    }

    /// Whether a worker pool usually sends another command at the same time: it settles what frees a seat, and
    /// claims for that seat.
    pub(crate) fn is_half_a_turn(&self) -> bool {
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

    /// Works inside the transaction.
    pub(crate) fn run(&mut self, engine: &mut E) -> Result<(), E::Failure> {
        match self {
            Self::Enqueue(job) => job.run(engine),
            Self::Claim(claim) => {
                claim.answer = engine.claim(&claim.request, claim.request.now)?;
                Ok(())
            }
            Self::Renew(job) => job.run(engine),
            Self::RecordProgress(job) => job.run(engine),
            Self::Settle(job) => job.run(engine),
            Self::Purge(job) => job.run(engine),
            Self::Query(look) => look.run(engine.reader()?),
        }
    }

    /// For a claim that would be parked, as others brought work after it had looked.
    pub(crate) fn try_again(&mut self, engine: &mut E) -> Result<(), E::Failure> {
        match self {
            Self::Claim(claim) if claim.stays_parked() => claim.try_again(engine),
            _ => Ok(()),
        }
    }

    /// Answers after the commit. A claim with nothing to say comes back, to be parked.
    pub(crate) fn committed(self, inbox: &Arc<Inbox<Self>>) -> Option<Claim<E>> {
        match self {
            Self::Enqueue(job) => job.committed(),
            Self::Claim(claim) if claim.stays_parked() => return Some(*claim),
            Self::Claim(claim) => claim.committed(inbox),
            Self::Renew(job) => job.committed(),
            Self::RecordProgress(job) => job.committed(),
            Self::Settle(job) => job.committed(),
            Self::Purge(job) => job.committed(),
            Self::Query(look) => look.answer(),
        }
        None
    }

    /// Answers that it did not happen, or may not have.
    pub(crate) fn failed(self, error: Error) {
        match self {
            Self::Enqueue(job) => job.failed(error),
            Self::Claim(claim) => drop(claim.reply.send(Err(error))),
            Self::Renew(job) => job.failed(error),
            Self::RecordProgress(job) => job.failed(error),
            Self::Settle(job) => job.failed(error),
            Self::Purge(job) => job.failed(error),
            Self::Query(look) => look.failed(error),
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
            .map(|note| engine.record_progress(note, self.now))
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
