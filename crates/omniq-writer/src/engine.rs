//! What a storage brings along: how it begins a batch, works in it, and commits.

use std::path::Path;
use std::time::Duration;

use omniq_core::storage::{
    ClaimRequest, Claimed, Effects, Enqueued, Hold, Lease, ProgressUpdate, PurgeRequest, Settled,
};
use omniq_core::{Change, Error, NewTask, Result, Timestamp};

/// Where tasks are written, by one thread. Between [`begin`](Self::begin) and [`commit`](Self::commit) or
/// [`roll_back`](Self::roll_back) the operations belong to one batch, which happens as a whole or not at all.
pub trait Engine: Send + 'static {
    /// Why an operation did not work.
    type Failure: Failure;

    /// What a question looks through.
    type Reader;

    /// What the storage is called in error texts: "SQLite".
    const NAME: &'static str;

    /// Where it is, for error texts.
    fn path(&self) -> &Path;

    /// Whether other processes may write there too.
    fn is_shared(&self) -> bool;

    /// Whether somebody else has written since the last batch. In doubt, it says yes.
    fn others_wrote(&mut self) -> bool;

    /// Gets ready for a batch, before it is our turn to write: opens again what was given up.
    fn prepare(&mut self) -> Result<()>;

    /// Begins a batch: from now on nobody else writes. Says whether somebody else has written since the
    /// last one.
    fn begin(&mut self) -> Result<bool, Self::Failure>;

    /// Adds tasks, or finds those that hold their unique keys or are the live members of their series.
    fn enqueue(
        &mut self,
        tasks: &[NewTask],
        now: Timestamp,
    ) -> Result<Vec<Enqueued>, Self::Failure>;

    /// Takes due tasks.
    fn claim(&mut self, request: &ClaimRequest, now: Timestamp) -> Result<Claimed, Self::Failure>;

    /// Takes nothing, and says when the next task is due. One that is ready was due when the claim was made,
    /// for all that the claimer has to know.
    fn peek(&mut self, request: &ClaimRequest) -> Result<Claimed, Self::Failure>;

    /// Prolongs a lease, where it is still held.
    fn renew(&mut self, lease: Lease, lease_for: Duration) -> Result<Hold, Self::Failure>;

    /// Keeps how far a task is, where its lease is still held; says whether it was.
    fn record_progress(
        &mut self,
        note: &ProgressUpdate,
        now: Timestamp,
    ) -> Result<bool, Self::Failure>;

    /// One guarded change, with its follow-ups.
    fn settle(&mut self, change: &Change, now: Timestamp) -> Result<Settled, Self::Failure>;

    /// Forgets the oldest finished tasks that nobody holds; says how many.
    fn purge(&mut self, request: &PurgeRequest) -> Result<u64, Self::Failure>;

    /// What to look through, inside the batch.
    fn reader(&mut self) -> Result<&mut Self::Reader, Self::Failure>;

    /// What this batch will have changed.
    fn effects(&self) -> &Effects;

    /// Ends the batch: what it did is kept. An error is an *unknown*: nobody can tell whether it is.
    fn commit(&mut self) -> Result<Committed, CommitError<Self::Failure>>;

    /// Ends the batch: nothing of it happened. What is remembered of the storage is forgotten.
    fn roll_back(&mut self);

    /// After a failure that lies in the surroundings: lets go of what is open, where it can be opened again.
    fn reset(&mut self);
}

/// Why a batch could not be committed.
#[derive(Debug)]
pub enum CommitError<F> {
    /// It failed before anything was decided: nothing of it happened.
    NotCommitted(F),
    /// Nobody can tell whether it happened.
    Unknown(Error),
}

/// Why an operation did not work.
pub trait Failure: From<Error> + Send + 'static {
    /// Whether the cause lies in the surroundings (a full disk, say), so that no other command would fare
    /// better.
    fn is_environmental(&self) -> bool;

    /// The error for a caller whose command did not happen.
    fn not_done(&self, place: &Path) -> Error;
}

/// What a committed batch did.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Committed {
    /// What others want to know.
    pub effects: Effects,
    /// Whether anything was written at all.
    pub wrote: bool,
}

impl Committed {
    /// A batch with these effects.
    pub fn new(effects: Effects, wrote: bool) -> Self {
        Self { effects, wrote }
    }
}
