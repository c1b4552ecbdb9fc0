//! Distinguishes the process that opened a queue from its forked children.
//!
//! A forked child has the queue's memory, but none of its threads: commands sent to them would never be answered.

use omniq_core::{Error, ErrorKind, Result};

/// The process in which a value was created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Process(u32);

impl Process {
    /// Returns this process.
    pub(crate) fn current() -> Self {
        Self(std::process::id())
    }

    /// Returns whether the calling process is the one that created the value, and not a forked child of it.
    pub(crate) fn is_this(self) -> bool {
        self == Self::current()
    }

    /// Returns an error of kind `Closed` in a forked child of that process.
    pub(crate) fn check(self) -> Result<()> {
        if self.is_this() {
            return Ok(());
        }
        let text = format!(
            "this queue was opened by the process {}, and its fork {} can't use it: connect again in the \
             child, and fork before the parent connects",
            self.0,
            std::process::id()
        );
        Err(Error::new(ErrorKind::Closed, text))
    }

    /// Returns a number to mix into random numbers: a forked child has the same generator state in its memory,
    /// but must not draw the same numbers.
    pub(crate) fn salt(self) -> u64 {
        u64::from(self.0)
    }
}
