//! What a storage provides for the writer: how it begins a batch, works in it, and commits.

use std::path::Path;
use std::time::Duration;

use omniq_core::storage::{
    ClaimRequest, Claimed, Effects, Enqueued, Hold, Lease, ProgressUpdate, PurgeRequest, Settled,
};
use omniq_core::{Change, Error, NewTask, Result, Timestamp};

/// Writes tasks, on one thread. Between [`begin`](Self::begin) and [`commit`](Self::commit) or
/// [`roll_back`](Self::roll_back) all operations belong to one batch, which is atomic.
pub trait Engine: Send + 'static {
    /// Why an operation failed.
    type Failure: Failure;

    /// What queries read from.
    type Reader;

    /// The storage's name in error texts: "SQLite".
    const NAME: &'static str;

    /// A batch takes no further command after this time, so that no caller waits for another caller's large batch.
    const MAX_BATCH_TIME: Duration = Duration::from_millis(5);

    /// The path of the data, for error texts.
    fn path(&self) -> &Path;

    /// Whether other processes may write the same data.
    fn is_shared(&self) -> bool;

    /// Whether another writer has written since the last batch. If in doubt, it returns true.
    fn others_wrote(&mut self) -> bool;

    /// Prepares a batch, before the write lock is taken: opens again what [`reset`](Self::reset) closed.
    fn prepare(&mut self) -> Result<()>;

    /// Begins a batch: from now on no other writer writes. Returns whether another one has written since the last
    /// batch.
    fn begin(&mut self) -> Result<bool, Self::Failure>;

    /// Adds tasks, or finds those that hold their unique keys or are the unfinished members of their series.
    fn enqueue(
        &mut self,
        tasks: &[NewTask],
        now: Timestamp,
    ) -> Result<Vec<Enqueued>, Self::Failure>;

    /// Takes due tasks.
    fn claim(&mut self, request: &ClaimRequest, now: Timestamp) -> Result<Claimed, Self::Failure>;

    /// Takes no task, and returns the time at which the next one is due. If a task is ready already, any time up to
    /// `request.now` will do: the claimer only compares it with the present.
    fn peek(&mut self, request: &ClaimRequest) -> Result<Claimed, Self::Failure>;

    /// Extends a lease if it is still held.
    fn renew(&mut self, lease: Lease, lease_for: Duration) -> Result<Hold, Self::Failure>;

    /// Stores a task's progress if its lease is still held; returns whether it was.
    fn record_progress(
        &mut self,
        update: &ProgressUpdate,
        now: Timestamp,
    ) -> Result<bool, Self::Failure>;

    /// Applies one guarded change, with its follow-up tasks.
    fn settle(&mut self, change: &Change, now: Timestamp) -> Result<Settled, Self::Failure>;

    /// Deletes the oldest finished tasks that no owner holds; returns how many.
    fn purge(&mut self, request: &PurgeRequest) -> Result<u64, Self::Failure>;

    /// Returns what queries read from, inside the batch.
    fn reader(&mut self) -> Result<&mut Self::Reader, Self::Failure>;

    /// Returns what this batch has changed so far.
    fn effects(&self) -> &Effects;

    /// Commits the batch.
    fn commit(&mut self) -> Result<Committed, CommitError<Self::Failure>>;

    /// Rolls the batch back, and forgets what is remembered of the data. Called after every failure but an unknown
    /// commit, also if the batch could not be prepared or begun.
    fn roll_back(&mut self);

    /// Does what has waited for a pause. Called when no command waits, so it must be short, and cheap if there is
    /// nothing to do. Returns after which time to call it again even if there is no command.
    fn idle(&mut self) -> Option<Duration> {
        None
    }

    /// Closes what is open, if it can be opened again. Called after an environmental failure and after an unknown
    /// commit.
    fn reset(&mut self);
}

/// Why a batch could not be committed.
#[derive(Debug)]
pub enum CommitError<F> {
    /// It failed before the commit: nothing was changed.
    NotCommitted(F),
    /// It is unknown whether the batch was committed.
    Unknown(Error),
}

/// Why an operation failed.
pub trait Failure: From<Error> + Send + 'static {
    /// Whether the cause is environmental (a full disk, for example), so that every other command would fail too.
    fn is_environmental(&self) -> bool;

    /// Returns the error for a caller whose command has no effect: it was not executed, or was rolled back.
    fn not_done(&self, path: &Path) -> Error;
}

/// What a committed batch did.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Committed {
    /// What others have to be notified of.
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
