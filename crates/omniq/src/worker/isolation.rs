//! The exclusive right to run a marked task. Only one task in a process can hold it.

use tokio::sync::{Mutex, MutexGuard};

static ISOLATION: Mutex<()> = Mutex::const_new(());

/// The exclusive right. A marked task holds it until its outcome is written, because the death of the process before that
/// would mark it again.
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
