use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind};

/// Where a task stands. Written `PENDING`, `RUNNING` … on the wire.
///
/// A task that waits for its eta or for its next attempt is `Pending` with a later eta.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum TaskStatus {
    /// Waits to be claimed.
    Pending,
    /// Claimed by an owner, under a lease.
    Running,
    /// Ended with a result.
    Success,
    /// Ended with an error, and will not be tried again by itself.
    Failed,
    /// Ended by a caller's wish.
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

    /// Whether nothing more happens to the task by itself.
    pub const fn is_finished(self) -> bool {
        matches!(self, Self::Success | Self::Failed | Self::Cancelled)
    }

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Running => "RUNNING",
            Self::Success => "SUCCESS",
            Self::Failed => "FAILED",
            Self::Cancelled => "CANCELLED",
        }
    }

    /// The number that storages keep, 0 to 4.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The status of a number that a storage kept.
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
                    "{text:?} is no task status: one of PENDING, RUNNING, SUCCESS, FAILED, CANCELLED"
                );
                Error::new(ErrorKind::Serialization, message)
            })
    }
}
