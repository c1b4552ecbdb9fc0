//! How OmniQ's storages on this machine write: one thread, whatever waits in one batch, answers after its
//! commit.
//!
//! A storage brings an [`Engine`] (how a batch begins, what happens in it, how it is committed), and gets a
//! [`Writer`]: what callers send waits there, with the rules that hold for every storage. Claims that found
//! nothing stay parked, and a claim that nobody receives is released. A command that fails costs the others
//! nothing; surroundings that fail are told to all. After a commit, sleepers here and in other processes
//! are woken.
//!
//! | where | what |
//! | --- | --- |
//! | `engine` | what a storage brings along |
//! | `writer` | what a storage keeps: sends commands to the thread, and ends it |
//! | `thread` | the batch: begin, work, commit, answer; and what a failure means |
//! | `command`, `inbox`, `look` | what the thread can be asked for, and where that waits |
//! | `local`, `idle`, `death_reminder` | the other processes: the doorbell, who is gone, whose turn it is |
//! | `orphans` | which held leases nobody looks after |
//! | `shared_error` | one failure, told to many |
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod command;
mod death_reminder;
mod engine;
mod idle;
mod inbox;
pub mod ipc;
mod neighbours;
mod orphans;
mod query;
mod shared_error;
mod thread;
mod writer;

pub use engine::{CommitError, Committed, Engine, Failure};
pub use inbox::{Inbox, Queued};
pub use orphans::{OrphanFinder, OrphanedLease, OwnedLease};
pub use query::Query;
pub use shared_error::{Cause, shared_error};
pub use writer::{SharedData, Writer, no_thread};
