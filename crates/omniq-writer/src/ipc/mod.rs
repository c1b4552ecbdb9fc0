//! What OmniQ's processes on one machine tell each other, beside the data that they share.
//!
//! A [`Doorbell`] says "look": something was written. [`Presence`] says who is still there: each process
//! that claims holds a lock on a file of its own, and a lock that can be taken belonged to a process that
//! is gone. A [`WriteLock`] lets those who write queue. All three only shorten a wait. Where they are off, the
//! safety check finds the work, leases alone decide who holds it, and writers try again and again.
//!
//! | where | what |
//! | --- | --- |
//! | [`Folder`] | `<data>-omniq`, the folder beside the data; `claim` says whose it is |
//! | [`Doorbell`] | the file `bell` in it; `line` is one folder's, `watcher` what this process watches, `news` what events mean |
//! | [`Presence`] | `owners/<owner>`, locked for as long as its process lives |
//! | [`Started`] | `started/<owner>`, the leases whose handlers that process had started |
//! | `plain` | how the files of others are opened and read: who made them is not known |
//! | [`WriteLock`] | the file `turn`, locked while its holder writes, so that writers queue |
//! | `mounts` | which file systems other machines may share |

mod atomic_publish;
mod doorbell;
mod folder;
mod fs_events;
mod liveness;
mod log_once;
mod mounts;
mod owner_file;
mod ownership;
mod presence;
mod regular_file;
mod stale_lock;
mod started;
mod subscription;
mod watcher;
mod write_at;
mod write_lock;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use doorbell::{Doorbell, Heard};
pub use folder::{Folder, Unavailable};
pub use liveness::{DeadOwner, OwnerState};
pub use presence::Presence;
pub use started::Started;
pub use write_lock::{WriteLock, WriteLockGuard};

use omniq_core::{Error, ErrorKind};

/// What these locks guard is whole between any two statements: a panic elsewhere does not spoil it.
fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn storage_error(text: impl Into<String>, source: std::io::Error) -> Error {
    let text = format!("{}: {source}", text.into());
    Error::new(ErrorKind::Storage, text).with_source(source)
}
