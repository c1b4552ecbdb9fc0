//! What OmniQ's processes on one machine tell each other, beside the data that they share.
//!
//! A [`Doorbell`] says "look": something was written. [`Presence`] says who is still there: each process
//! that claims holds a lock on a file of its own, and a lock that can be taken belonged to a process that
//! is gone. A [`Turn`] lets those who write queue. All three only shorten a wait. Where they are off, the
//! safety check finds the work, leases alone decide who holds it, and writers try again and again.
//!
//! | where | what |
//! | --- | --- |
//! | [`Folder`] | `<data>-omniq`, the folder beside the data; `claim` says whose it is |
//! | [`Doorbell`] | the file `bell` in it; `line` is one folder's, `watcher` what this process watches, `news` what events mean |
//! | [`Presence`] | `owners/<owner>`, locked for as long as its process lives |
//! | [`Started`] | `started/<owner>`, the leases whose handlers that process had started |
//! | `plain` | how the files of others are opened and read: who made them is not known |
//! | [`Turn`] | the file `turn`, locked while its holder writes, so that writers queue |
//! | `mounts` | which file systems other machines may share |
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod claim;
mod complaint;
mod doorbell;
mod draft;
mod folder;
mod gone;
mod introduction;
mod line;
mod mounts;
mod news;
mod over;
mod plain;
mod positioned;
mod presence;
mod started;
mod turn;
mod watcher;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use doorbell::{Doorbell, Heard};
pub use folder::{Folder, Off};
pub use gone::{Gone, Standing};
pub use presence::Presence;
pub use started::Started;
pub use turn::{Taken, Turn};

use omniq_core::{Error, ErrorKind};

/// What these locks guard is whole between any two statements: a panic elsewhere does not spoil it.
fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn trouble(text: impl Into<String>, source: std::io::Error) -> Error {
    let text = format!("{}: {source}", text.into());
    Error::new(ErrorKind::Storage, text).with_source(source)
}
