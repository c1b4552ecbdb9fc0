//! The log of invocations and responses.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use omniq::storage::{Enqueued, Hold, OrphanReason, Settled};
use omniq::{Format, Payload, Task, TaskStatus};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// Returns a reading of the monotonic clock of this machine, in nanoseconds. All processes share this clock.
pub fn monotonic_nanos() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}

/// One line of the log. The lines of all processes are in one file, in the order in which they were written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The number of the client, which is unique in a run. A client performs one operation after the other.
    pub client: u64,
    /// The time, in nanoseconds of the monotonic clock: before the call of an invocation, after that of a response.
    pub at: u64,
    /// What happened.
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum What {
    /// The client is about to perform this operation.
    Invoked(Call),
    /// The operation that the client invoked last was answered.
    Answered(Answer),
    /// The process with this owner id is about to be killed, or asked to exit.
    Dies(i64),
}

/// An operation. Tasks and owners are the numbers of their ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Call {
    /// Enqueues a task whose payload holds this number, which is unique in a run.
    Enqueue {
        /// The number.
        content: u64,
        /// The unique key.
        key: Option<String>,
    },
    /// Claims tasks.
    Claim {
        /// The owner that claims.
        owner: i64,
    },
    /// Renews a lease.
    Renew {
        /// The task.
        task: i64,
        /// The number of the lease.
        lease: u64,
    },
    /// Settles a change of a task that the client has read or claimed before.
    Change {
        /// The task.
        task: i64,
        /// The guard: the lease number.
        lease: u64,
        /// The guard: the status.
        expect: TaskStatus,
        /// What the change does.
        kind: Kind,
    },
    /// Reads a task.
    Get {
        /// The task.
        task: i64,
    },
    /// Lists tasks.
    List,
}

/// What a change does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// The holder of the lease reports a success, with this result.
    Succeed(u64),
    /// The holder reports a failed attempt that is not the last.
    Retry,
    /// The holder reports the last failed attempt.
    GiveUp,
    /// The holder gives the task back.
    Release,
    /// The holder of a cancelled task releases it.
    ReleaseCancelled,
    /// A caller cancels the task.
    Cancel,
    /// A caller tries the task again from the beginning.
    Requeue,
    /// A caller changes the eta.
    Reschedule,
    /// The task is taken over from its owner.
    TakeOver {
        /// The owner.
        owner: i64,
        /// Whether the owner was reported dead. Otherwise, its lease was reported expired.
        dead: bool,
        /// Whether the crash counts.
        started: bool,
        /// Whether the task fails, because this was its last crash.
        last: bool,
    },
}

/// The response of an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Answer {
    New(i64),
    Existing(i64),
    Claimed(Vec<Snapshot>),
    Held,
    HeldCancelled,
    Lost,
    Applied,
    Stale {
        status: TaskStatus,
        lease: u64,
    },
    Conflict {
        holder: i64,
    },
    NotFound,
    Found(Box<Option<Snapshot>>),
    Listed(Vec<Snapshot>),
    /// An error says that nothing was changed.
    Refused(String),
    /// An error says that it is unknown whether anything was changed.
    Unknown(String),
}

/// What a client sees of a task.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Snapshot {
    /// The id.
    pub task: i64,
    /// The number in the payload; `None` if the payload is not as it was written.
    pub content: Option<u64>,
    /// The unique key.
    pub key: Option<String>,
    /// The status.
    pub status: TaskStatus,
    /// The number of the last lease.
    pub lease: u64,
    /// The number of attempts.
    pub attempts: u32,
    /// The number of crashes.
    pub crashes: u32,
    /// The owner that holds the lease.
    pub owner: Option<i64>,
    /// The number in the result, if there is a result.
    pub result: Option<u64>,
}

impl Snapshot {
    /// Returns what a client sees of this task.
    pub fn of(task: &Task) -> Self {
        let number = |payload: &Payload| content_of(payload);
        Self {
            task: task.id.as_i64(),
            content: number(&task.payload),
            key: task.unique_key.clone(),
            status: task.status,
            lease: task.lease,
            attempts: task.attempts,
            crashes: task.crashes,
            owner: task.owner.map(omniq::storage::OwnerId::as_i64),
            // A damaged result is a number that no client ever writes.
            result: task.result.as_ref().map(|r| number(r).unwrap_or(u64::MAX)),
        }
    }
}

/// Returns a payload that holds a number many times, so that a damaged payload can be detected.
pub fn payload_of(content: u64) -> Payload {
    let copies = vec![content; copies(content)];
    let text = serde_json::to_vec(&copies).unwrap_or_default();
    Payload::new(Format::Json, text)
}

/// Returns the number in a payload; `None` if the payload is damaged.
pub fn content_of(payload: &Payload) -> Option<u64> {
    let numbers: Vec<u64> = serde_json::from_slice(&payload.bytes).ok()?;
    let content = *numbers.first()?;
    let is_intact =
        numbers.len() == copies(content) && numbers.iter().all(|number| *number == content);
    is_intact.then_some(content)
}

/// Payloads differ in length, so that pages and files are filled differently.
fn copies(content: u64) -> usize {
    1 + (content % 97) as usize
}

impl Kind {
    /// Returns the description of a takeover's reason.
    pub fn is_dead(reason: OrphanReason) -> bool {
        reason == OrphanReason::OwnerDead
    }
}

impl From<Enqueued> for Answer {
    fn from(enqueued: Enqueued) -> Self {
        match enqueued {
            Enqueued::New(id) => Self::New(id.as_i64()),
            other => Self::Existing(other.id().as_i64()),
        }
    }
}

impl From<Hold> for Answer {
    fn from(hold: Hold) -> Self {
        match hold {
            Hold::Held => Self::Held,
            Hold::Cancelled => Self::HeldCancelled,
            _ => Self::Lost,
        }
    }
}

impl From<Settled> for Answer {
    fn from(settled: Settled) -> Self {
        match settled {
            Settled::Applied => Self::Applied,
            Settled::Stale { status, lease } => Self::Stale { status, lease },
            Settled::Conflict { holder } => Self::Conflict {
                holder: holder.as_i64(),
            },
            _ => Self::NotFound,
        }
    }
}

impl From<omniq::Error> for Answer {
    fn from(error: omniq::Error) -> Self {
        let text = error.chain().to_string();
        match error.is_unknown() {
            true => Self::Unknown(text),
            false => Self::Refused(text),
        }
    }
}

/// The log of a client. All clients of a run append to the same file.
pub struct Recorder {
    file: File,
    client: u64,
}

impl Recorder {
    /// Opens the log for a client.
    ///
    /// # Errors
    ///
    /// Returns an error if the file can't be opened.
    pub fn open(path: &Path, client: u64) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self { file, client })
    }

    /// Appends a line. The line is one `write`, so it is complete or absent if the process is killed.
    ///
    /// # Errors
    ///
    /// Returns an error if the file can't be written.
    pub fn record(&self, what: What) -> io::Result<()> {
        let event = Event {
            client: self.client,
            at: monotonic_nanos(),
            what,
        };
        let mut line = serde_json::to_vec(&event)?;
        line.push(b'\n');
        (&self.file).write_all(&line)
    }
}

/// Reads all events of a log.
///
/// # Errors
///
/// Returns an error if the file can't be read, or if a line is not an event.
pub fn read(path: &Path) -> io::Result<Vec<Event>> {
    let text = std::fs::read_to_string(path)?;
    let events = text.lines().map(serde_json::from_str);
    Ok(events.collect::<Result<_, _>>()?)
}
