//! Tasks in a transaction of the application's own: they are there once it commits, or never were.
//!
//! | file | job |
//! | --- | --- |
//! | `home` | whether a connection is to the storage's own database |
//! | `by_rusqlite` | the transaction is one of rusqlite: the writer's own code works in it |
//! | `by_sqlx` | the transaction is one of sqlx: the same statements and decisions, run by sqlx |
//!
//! Nothing that is read in such a transaction is remembered beyond it, since it may be rolled back; and the
//! writer forgets what it knew once another connection has committed.

mod by_rusqlite;
#[cfg(feature = "sqlx")]
mod by_sqlx;
mod home;

use omniq_core::storage::Settled;
use omniq_core::{Change, Error, ErrorKind, Result};

use crate::SqliteStorage;

pub(crate) use home::Home;

/// What is begun before our statements, so that all of them happen or none, even if the application goes on
/// after an error.
const BEGIN: &str = "SAVEPOINT omniq";
const UNDO: &str = "ROLLBACK TO omniq";
const END: &str = "RELEASE omniq";

impl SqliteStorage {
    /// Tells sleepers, here and in other processes, to look at what was committed. Call it after the commit of
    /// a transaction with [`enqueue_in`](Self::enqueue_in); without it they find the task at their next look,
    /// which comes every `poll_interval` (a second, by default). Ringing once too often costs next to nothing.
    ///
    /// After [`complete_in`](Self::complete_in) nobody has to ring: the worker pool does when the handler
    /// returns.
    pub fn ring(&self) {
        self.writer.ring();
    }
}

/// What an answer to an execution's success means to the handler.
fn completed(change: &Change, answer: Settled) -> Result<()> {
    let what = match answer {
        Settled::Applied => return Ok(()),
        _ if answer.is_success_under(change.lease) => "has succeeded already: complete it once",
        _ if answer.is_cancelled_under(change.lease) => "was cancelled: roll back",
        _ => "is no longer this execution's: another has taken it over, so roll back",
    };
    let text = format!("the task {} {what}", change.id);
    Err(Error::new(ErrorKind::InvalidState, text))
}
