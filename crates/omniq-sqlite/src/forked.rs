//! SQLite does not survive a fork while it is open. The child has its notes of the locks that the parent
//! holds, takes them for its own, and leaves them out: whoever closes last in the parent then removes the
//! `-wal` that the child writes to. And what another thread had locked inside at that moment stays locked.

use std::sync::{Mutex, MutexGuard, PoisonError};

use omniq_core::{Error, ErrorKind, Result};

/// How many connections are open, and in which process.
static OPEN: Mutex<(u32, usize)> = Mutex::new((0, 0));

/// Kept for as long as a connection is open.
pub(crate) struct InUse {
    process: u32,
}

impl InUse {
    /// An error of kind `Closed` in a process that was forked while connections were open.
    pub(crate) fn enter() -> Result<Self> {
        let process = std::process::id();
        let mut open = open();
        let (parent, count) = *open;
        if count > 0 && parent != process {
            let text = format!(
                "the process {parent} had SQLite open when this one was forked from it, so this one can't \
                 open it: what it wrote could be lost. Fork before you connect, or when all queues are \
                 closed, or start the child as a program of its own"
            );
            return Err(Error::new(ErrorKind::Closed, text));
        }
        *open = (process, count + 1);
        Ok(Self { process })
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        // A forked child closes nothing of its parent's.
        if self.process == std::process::id() {
            open().1 -= 1;
        }
    }
}

fn open() -> MutexGuard<'static, (u32, usize)> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}
