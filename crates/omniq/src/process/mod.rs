//! A queue belongs to the process that opened it. A forked child has its memory, but none of its threads:
//! what is sent to them is never answered.

mod background;
mod fork_guard;
mod owner;
mod signals;

use omniq_core::{Error, ErrorKind, Result};

pub(crate) use background::Background;
pub(crate) use fork_guard::ForkGuard;
pub(crate) use owner::this_process;
pub(crate) use signals::Signals;

/// The process in which something was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Process(u32);

impl Process {
    /// This one.
    pub(crate) fn current() -> Self {
        Self(std::process::id())
    }

    /// False in a process that was forked from it.
    pub(crate) fn is_this(self) -> bool {
        self == Self::current()
    }

    /// An error of kind `Closed` in a process that was forked from it.
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

    /// A number for a random draw: a fork that has the same dice in its memory still draws something else.
    pub(crate) fn salt(self) -> u64 {
        u64::from(self.0)
    }
}
