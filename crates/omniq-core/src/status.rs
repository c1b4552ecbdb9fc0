//! The status of a task.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind};

/// The status of a task. It is serialized as `PENDING`, `RUNNING` and so on.
///
/// A task that waits for its eta or for its next attempt is `Pending` with a later eta.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum TaskStatus {
    /// The task waits to be claimed.
    Pending,
    /// An owner has claimed the task under a lease.
    Running,
    /// The task finished with a result.
    Success,
    /// The task finished with an error. It is not retried, unless a caller requeues it.
    Failed,
    /// A caller cancelled the task.
    Cancelled,
}

impl TaskStatus {
    /// Every status, in the order of their codes.
    pub const ALL: [Self; 5] = [
        Self::Pending,
        Self::Running,
        Self::Success,
        Self::Failed,
        Self::Cancelled,
    ];

    /// Returns whether the task has finished: nothing more happens to it unless a caller requests it.
    pub const fn is_finished(self) -> bool {
        matches!(self, Self::Success | Self::Failed | Self::Cancelled)
    }

    /// Returns the name in serialized form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Running => "RUNNING",
            Self::Success => "SUCCESS",
            Self::Failed => "FAILED",
            Self::Cancelled => "CANCELLED",
        }
    }

    /// Returns the number that storages write, 0 to 4.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// Returns the status with this number; `None` for an unknown number.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }
}

impl fmt::Display for TaskStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for TaskStatus {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| {
                let message = format!(
                    "{text:?} is not a task status: use one of PENDING, RUNNING, SUCCESS, FAILED, CANCELLED"
                );
                Error::new(ErrorKind::Serialization, message)
            })
    }
}
