//! The right to run a marked task: only one exists in a process.

use tokio::sync::{Mutex, MutexGuard};

static ISOLATION: Mutex<()> = Mutex::const_new(());

/// Held while a marked task runs, and until its outcome is written: a death before that would mark it again.
pub(super) struct Isolation {
    _guard: MutexGuard<'static, ()>,
}

impl Isolation {
    /// Waits until no other marked task runs in this process.
    pub(super) async fn enter() -> Self {
        Self {
            _guard: ISOLATION.lock().await,
        }
    }
}
