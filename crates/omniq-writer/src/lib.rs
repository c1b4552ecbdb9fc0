//! The writer of OmniQ's storages on one machine: one thread executes all waiting commands in one batch, and answers
//! them after its commit.
//!
//! A storage provides an [`Engine`] (how a batch begins, what happens in it, how it is committed) and gets a
//! [`Writer`], which implements the rules that hold for every storage. Claims that found nothing stay parked, and
//! a claim whose caller is no longer there is released. A command that fails does not affect the others; after an
//! environmental failure all commands are answered with it. After a commit, waiting claims and listeners are
//! notified, here and in other processes.
//!
//! | where | what |
//! | --- | --- |
//! | `engine` | what a storage provides |
//! | `writer`, `shutdown` | the handle that a storage keeps: sends commands to the thread, and ends it |
//! | `thread` | the batch: begin, execute, commit, answer; and what a failure means |
//! | `command`, `inbox`, `query` | the commands, and the queue in which they wait |
//! | `ipc`, `neighbours` | the other processes: the doorbell, which of them are alive, the write lock |
//! | `idle_owners`, `death_reminder` | when to remove the files of dead owners, and to signal a death again |
//! | `orphans` | which held leases have lost their owner |
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod command;
mod death_reminder;
mod engine;
mod errors;
mod idle_owners;
mod inbox;
pub mod ipc;
mod neighbours;
mod orphans;
mod query;
mod shared_data;
mod shutdown;
mod sync;
mod thread;
mod writer;

pub use engine::{CommitError, Committed, Engine, Failure};
pub use errors::no_thread;
pub use inbox::{Inbox, Queued};
pub use orphans::{OrphanFinder, OrphanedLease, OwnedLease};
pub use query::Query;
pub use shared_data::SharedData;
pub use shutdown::Shutdown;
pub use writer::Writer;
