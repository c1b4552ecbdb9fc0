//! What the writer thread can be asked for: a closed list.

use std::sync::{Arc, Weak};
use std::time::Duration;

use omniq_core::settle::settle;
use omniq_core::storage::{
    ClaimRequest, Claimed, Enqueued, Hold, Lease, Note, PurgeRequest, Settled,
};
use omniq_core::{Change, Error, NewTask, Outcome, Result, Timestamp};
use tokio::sync::oneshot;

use crate::inbox::Inbox;
use crate::reader::Look;
use crate::trouble::Failure;
use crate::write::Batch;

/// One command to the writer.
pub(crate) enum Command {
    Enqueue(Job<Enqueue>),
    Claim(Box<Claim>),
    Renew(Job<Renew>),
    Note(Job<Notes>),
    Settle(Job<Settle>),
    Purge(Job<PurgeRequest>),
    /// A database in memory has one connection, so that the writer also looks.
    Look(Look),
}

/// Work inside the batch's transaction. It may be run again if the transaction is rolled back.
pub(crate) trait Write {
    type Answer;
    fn run(&self, batch: &mut Batch<'_>) -> Result<Self::Answer, Failure>;
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

pub(crate) struct Notes {
    pub(crate) notes: Vec<Note>,
    pub(crate) now: Timestamp,
}

pub(crate) struct Settle {
    pub(crate) changes: Vec<Change>,
    pub(crate) now: Timestamp,
}

/// A write, whom to answer, and the answer that waits for the commit.
pub(crate) struct Job<W: Write> {
    write: W,
    reply: oneshot::Sender<Result<W::Answer>>,
    answer: Option<W::Answer>,
}

impl<W: Write> Job<W> {
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

    fn run(&mut self, batch: &mut Batch<'_>) -> Result<(), Failure> {
        self.answer = Some(self.write.run(batch)?);
        Ok(())
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
pub(crate) struct Claim {
    pub(crate) request: ClaimRequest,
    pub(crate) reply: oneshot::Sender<Result<Catch>>,
    pub(crate) answer: Claimed,
}

impl Claim {
    /// Whether it has nothing to say yet.
    pub(crate) fn stays_parked(&self) -> bool {
        self.request.limit > 0
            && self.request.park.is_some_and(|parked| {
                self.answer.tasks.is_empty() && !parked.is_news(self.answer.next_due)
            })
    }

    /// Looks once more, at the end of a batch that brought work. Work that others wrote does not tell the
    /// time, and the request's own may be long past: then the claimer is told to look.
    pub(crate) fn try_again(&mut self, batch: &mut Batch<'_>) -> Result<(), Failure> {
        self.answer = if batch.effects.work_added {
            batch.claim(&self.request, batch.effects.now)?
        } else {
            batch.peek(&self.request)?
        };
        Ok(())
    }

    pub(crate) fn committed(self, inbox: &Arc<Inbox<Command>>) {
        let catch = Catch {
            claimed: self.answer,
            inbox: Arc::downgrade(inbox),
        };
        let _ = self.reply.send(Ok(catch));
    }
}

/// Claimed tasks on their way to the claimer. Dropped on the way, they are released.
pub(crate) struct Catch {
    claimed: Claimed,
    inbox: Weak<Inbox<Command>>,
}

impl Catch {
    pub(crate) fn take(mut self) -> Claimed {
        std::mem::take(&mut self.claimed)
    }
}

impl Drop for Catch {
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

impl Command {
    /// What running tasks need goes before new work.
    pub(crate) fn is_urgent(&self) -> bool {
        !matches!(self, Self::Enqueue(_) | Self::Purge(_))
    }

    pub(crate) fn rows(&self) -> usize {
        match self {
            Self::Enqueue(job) => job.write.rows(),
            Self::Claim(claim) => claim.request.limit,
            Self::Renew(job) => job.write.rows(),
            Self::Note(job) => job.write.rows(),
            Self::Settle(job) => job.write.rows(),
            Self::Purge(job) => job.write.rows(),
            Self::Look(_) => 1,
        }
    }

    /// Works inside the transaction.
    pub(crate) fn run(&mut self, batch: &mut Batch<'_>) -> Result<(), Failure> {
        match self {
            Self::Enqueue(job) => job.run(batch),
            Self::Claim(claim) => {
                claim.answer = batch.claim(&claim.request, claim.request.now)?;
                Ok(())
            }
            Self::Renew(job) => job.run(batch),
            Self::Note(job) => job.run(batch),
            Self::Settle(job) => job.run(batch),
            Self::Purge(job) => job.run(batch),
            Self::Look(look) => look.run(batch.conn, batch.lanes),
        }
    }

    /// For a claim that would be parked, as others brought work after it had looked.
    pub(crate) fn try_again(&mut self, batch: &mut Batch<'_>) -> Result<(), Failure> {
        match self {
            Self::Claim(claim) if claim.stays_parked() => claim.try_again(batch),
            _ => Ok(()),
        }
    }

    /// Answers after the commit. A claim with nothing to say comes back, to be parked.
    pub(crate) fn committed(self, inbox: &Arc<Inbox<Self>>) -> Option<Claim> {
        match self {
            Self::Enqueue(job) => job.committed(),
            Self::Claim(claim) if claim.stays_parked() => return Some(*claim),
            Self::Claim(claim) => claim.committed(inbox),
            Self::Renew(job) => job.committed(),
            Self::Note(job) => job.committed(),
            Self::Settle(job) => job.committed(),
            Self::Purge(job) => job.committed(),
            Self::Look(look) => look.answer(),
        }
        None
    }

    /// Answers that it did not happen, or may not have.
    pub(crate) fn failed(self, error: Error) {
        match self {
            Self::Enqueue(job) => job.failed(error),
            Self::Claim(claim) => drop(claim.reply.send(Err(error))),
            Self::Renew(job) => job.failed(error),
            Self::Note(job) => job.failed(error),
            Self::Settle(job) => job.failed(error),
            Self::Purge(job) => job.failed(error),
            Self::Look(look) => look.failed(error),
        }
    }
}

impl Write for Enqueue {
    type Answer = Vec<Enqueued>;

    fn run(&self, batch: &mut Batch<'_>) -> Result<Self::Answer, Failure> {
        self.tasks
            .iter()
            .map(|task| batch.enqueue(task, self.now))
            .collect()
    }

    fn rows(&self) -> usize {
        self.tasks.len()
    }
}

impl Write for Renew {
    type Answer = Vec<Hold>;

    fn run(&self, batch: &mut Batch<'_>) -> Result<Self::Answer, Failure> {
        self.leases
            .iter()
            .map(|lease| batch.renew(*lease, self.lease_for))
            .collect()
    }

    fn rows(&self) -> usize {
        self.leases.len()
    }
}

impl Write for Notes {
    type Answer = Vec<bool>;

    fn run(&self, batch: &mut Batch<'_>) -> Result<Self::Answer, Failure> {
        self.notes
            .iter()
            .map(|note| batch.keep_progress(note, self.now))
            .collect()
    }

    fn rows(&self) -> usize {
        self.notes.len()
    }
}

impl Write for Settle {
    type Answer = Vec<Settled>;

    fn run(&self, batch: &mut Batch<'_>) -> Result<Self::Answer, Failure> {
        self.changes
            .iter()
            .map(|change| batch.settle(change, self.now))
            .collect()
    }

    fn rows(&self) -> usize {
        self.changes.len()
    }
}

impl Write for PurgeRequest {
    type Answer = u64;

    fn run(&self, batch: &mut Batch<'_>) -> Result<Self::Answer, Failure> {
        batch.purge(self)
    }

    fn rows(&self) -> usize {
        self.limit
    }
}
