//! Rehearses crashes, power cuts and I/O errors on a disk in memory that records every operation.

mod faults;
mod file_tree;
mod memory_disk;
mod power_cut;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use omniq_core::settle::{Outcome, settle};
use omniq_core::storage::{ClaimFilter, ClaimRequest, TaskFilter};
use omniq_core::{
    Change, CoreSettings, Durability, Format, NewTask, OwnerId, Payload, Task, TaskError, Timestamp,
};
use omniq_writer::{CommitError, Engine as _, Failure as _};

use crate::errors::Failure;
use crate::rehearsal::memory_disk::MemoryDisk;
use crate::session::Session;

pub(crate) const NOW: Timestamp = Timestamp(1_800_000_000_000_000);

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp(NOW.0 + seconds * 1_000_000)
}

/// What the callers of a batch are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Committed,
    NotCommitted,
    Unknown,
}

pub(crate) fn open(disk: &Arc<MemoryDisk>, durability: Durability) -> omniq_core::Result<Session> {
    let mut settings = CoreSettings::default();
    settings.durability = durability;
    Session::open(Path::new("/base"), disk.clone(), &settings)
}

/// Executes one batch like the thread of the writer.
pub(crate) fn batch<T>(
    session: &mut Session,
    work: impl FnOnce(&mut Session) -> Result<T, Failure>,
) -> (Answer, Option<T>) {
    if session.prepare().is_err() {
        return (Answer::NotCommitted, None);
    }
    let result = session.begin().and_then(|_| work(session));
    let committed = match result {
        Ok(found) => session.commit().map(|_| found),
        Err(failure) => Err(CommitError::NotCommitted(failure)),
    };
    match committed {
        Ok(found) => (Answer::Committed, Some(found)),
        Err(CommitError::NotCommitted(failure)) => {
            session.roll_back();
            if failure.is_environmental() {
                session.reset();
            }
            (Answer::NotCommitted, None)
        }
        Err(CommitError::Unknown(error)) => {
            assert!(error.is_unknown());
            session.reset();
            (Answer::Unknown, None)
        }
    }
}

pub(crate) fn task(name: &str, number: usize) -> NewTask {
    let payload = format!("{{\"args\":[{number}]}}").into_bytes();
    NewTask::new(name, "q", Payload::new(Format::Json, payload))
}

pub(crate) fn claim(limit: usize, now: Timestamp) -> ClaimRequest {
    let owner = OwnerId::from_i64(7).unwrap();
    ClaimRequest::new(owner, ClaimFilter::any(), now, Duration::from_secs(30)).limit(limit)
}

pub(crate) fn success(task: &Task, then: Vec<NewTask>) -> Change {
    let result = Payload::new(Format::Json, b"1".to_vec());
    settle(task, Outcome::Succeeded { result, then }, NOW, 0.5).unwrap()
}

pub(crate) fn failure(task: &Task) -> Change {
    settle(
        task,
        Outcome::Failed(TaskError::new("no", "luck")),
        NOW,
        0.5,
    )
    .unwrap()
}

/// Returns all tasks.
pub(crate) fn all(session: &mut Session) -> Vec<Task> {
    let filter = TaskFilter::new().limit(10_000);
    let (answer, found) = batch(session, |session| session.reader()?.list(&filter));
    assert_eq!(answer, Answer::Committed);
    found.unwrap()
}

/// Returns and prints the seed of the random numbers, so that a failed run can be repeated.
pub(crate) fn seed() -> u64 {
    let given = std::env::var("OMNIQ_TEST_SEED").ok();
    let seed = given.map_or_else(|| fastrand::u64(..), |text| text.parse().unwrap());
    eprintln!("OMNIQ_TEST_SEED={seed}");
    seed
}
