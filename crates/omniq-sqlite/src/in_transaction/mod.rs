//! Enqueues and completes tasks in the application's own transactions: they take effect when it commits.
//!
//! | file | what it does |
//! | --- | --- |
//! | `same_database` | checks that a connection is to the storage's own database |
//! | `by_rusqlite` | runs the writer's own code in a transaction of rusqlite |
//! | `by_sqlx` | runs the same statements, with the same decisions, in a transaction of sqlx |
//!
//! Nothing that is read in such a transaction is remembered beyond it, since it may be rolled back. The writer
//! discards what it remembers once another connection has committed.

mod by_rusqlite;
#[cfg(feature = "sqlx")]
mod by_sqlx;
mod same_database;

use omniq_core::storage::Settled;
use omniq_core::{Change, Error, ErrorKind, Result};

use crate::SqliteStorage;

pub(crate) use same_database::OwnDatabase;

/// Begins a savepoint around our statements, so that they are applied atomically, even if the application continues
/// after an error.
const BEGIN: &str = "SAVEPOINT omniq";
const UNDO: &str = "ROLLBACK TO omniq";
const END: &str = "RELEASE omniq";

impl SqliteStorage {
    /// Wakes waiting claims, in this process and in others, so that they find what was committed. Call it after the
    /// commit of a transaction with [`enqueue_in`](Self::enqueue_in). Without it, they find the task at their next
    /// poll, which comes every `poll_interval` (a second, by default). An unnecessary call costs almost nothing.
    ///
    /// After [`complete_in`](Self::complete_in) no call is needed: the worker pool rings when the handler
    /// returns.
    pub fn ring(&self) {
        self.writer.ring();
    }
}

/// Converts the storage's answer to an execution's success into a result for the handler.
fn completed(change: &Change, answer: Settled) -> Result<()> {
    let reason = match answer {
        Settled::Applied => return Ok(()),
        _ if answer.is_success_under(change.lease) => "has succeeded already: complete it once",
        _ if answer.is_cancelled_under(change.lease) => "was cancelled: roll back",
        _ => "is no longer this execution's: another worker has taken it over, so roll back",
    };
    let text = format!("the task {} {reason}", change.id);
    Err(Error::new(ErrorKind::InvalidState, text))
}
