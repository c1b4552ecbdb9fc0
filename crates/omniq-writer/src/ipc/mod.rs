//! What OmniQ's processes on one machine exchange, in a folder beside the data that they share.
//!
//! A [`Doorbell`] notifies other processes that something was written. [`Presence`] shows which owners are alive:
//! each process that claims tasks holds a lock on a file of its own, and a lock that another process can take
//! belonged to a process that has died. A [`WriteLock`] makes writers queue. All three only shorten a wait: where
//! they are off, the safety check finds the work, leases alone decide who holds it, and writers retry.
//!
//! | where | what |
//! | --- | --- |
//! | [`Folder`] | `<data>-omniq`, the folder beside the data; `ownership` checks which data it belongs to |
//! | [`Doorbell`] | the file `bell` in it; `subscription` is one folder's bell in this process, `watcher` is what this process watches, `fs_events` is what file system events mean |
//! | [`Presence`] | `owners/<owner>`, locked for as long as its process lives; `liveness` reads the others' |
//! | [`Started`] | `started/<owner>`, the leases whose handlers that process had started |
//! | [`WriteLock`] | the file `turn`, locked while its holder writes |
//! | `regular_file` | opens and reads files that any process may have put there |
//! | `atomic_publish`, `stale_lock` | files that appear complete and locked; locks whose file was replaced |
//! | `mounts` | which file systems other machines may share |

mod atomic_publish;
mod boot_id;
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

pub use boot_id::BootId;
pub use doorbell::Doorbell;
pub use folder::Folder;
pub use liveness::{DeadOwner, OwnerState};
pub use presence::Presence;
pub use started::Started;
pub use subscription::Heard;
pub use write_lock::{WriteLock, WriteLockGuard};
