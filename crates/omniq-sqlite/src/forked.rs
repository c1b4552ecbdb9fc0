//! Refuses to open SQLite in a process that was forked while the parent had it open.
//!
//! The child inherits SQLite's records of the parent's locks. It takes those locks for its own, so it does not
//! acquire them; the last connection that the parent closes then removes the `-wal` file that the child writes
//! to. Mutexes of SQLite that another thread held at the fork also stay locked in the child.

use std::sync::{Mutex, MutexGuard, PoisonError};

use omniq_core::{Error, ErrorKind, Result};

/// The process that has connections open, and how many.
static OPEN_CONNECTIONS: Mutex<(u32, usize)> = Mutex::new((0, 0));

/// Counts one open connection until it is dropped.
pub(crate) struct ForkGuard {
    process: u32,
}

impl ForkGuard {
    /// Counts a connection. Fails with kind `Closed` in a process that was forked while connections were open.
    pub(crate) fn enter() -> Result<Self> {
        let process = std::process::id();
        let mut open = open_connections();
        let (parent, count) = *open;
        if count > 0 && parent != process {
            let text = format!(
                "the process {parent} had SQLite open when this process was forked from it, so this process \
                 can't open it: what it wrote could be lost. Fork before you connect, or when all queues are \
                 closed, or start the child as a separate program"
            );
            return Err(Error::new(ErrorKind::Closed, text));
        }
        *open = (process, count + 1);
        Ok(Self { process })
    }
}

impl Drop for ForkGuard {
    fn drop(&mut self) {
        // A forked child closes none of its parent's connections.
        if self.process == std::process::id() {
            open_connections().1 -= 1;
        }
    }
}

fn open_connections() -> MutexGuard<'static, (u32, usize)> {
    OPEN_CONNECTIONS
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
}
