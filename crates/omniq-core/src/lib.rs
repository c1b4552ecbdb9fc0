//! The rules of the OmniQ task queue.
//!
//! This crate decides, and never acts: it has no I/O, no clock, no randomness and no runtime. Times and
//! random numbers are arguments, and each decision is returned as a [`Change`] to be written. Programs use
//! the crate `omniq`. Storages implement [`Storage`] and pass the exam of `omniq-conformance`.
//!
//! | where | what |
//! | --- | --- |
//! | [`lifecycle`] | the only place where a status changes |
//! | [`settle`] | turns an outcome, or a caller's request, into the one write that records it |
//! | [`storage`] | the operations of a storage |
//! | [`payload`] | writes and reads arguments and results |
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod args;
mod arguments;
mod arrange;
mod bind;
mod completes;
mod counting_de;
mod defaults;
mod error;
mod format;
mod id;
mod lease_watch;
pub mod lifecycle;
mod lossless;
#[cfg(feature = "msgpack")]
mod msgpack;
mod order;
pub mod payload;
mod progress;
mod result;
mod result_ext;
mod retry;
mod schedule;
mod serializer;
pub mod settle;
mod stats;
mod status;
pub mod storage;
mod task;
mod task_error;
mod time;
mod verdict;

pub use args::Args;
pub use bind::Parameter;
pub use completes::Completes;
pub use defaults::{CoreSettings, Durability};
pub use error::{Error, ErrorKind, Result};
pub use format::Format;
pub use id::{OwnerId, TaskId};
pub use lifecycle::Transition;
pub use order::{Order, call};
pub use payload::Payload;
pub use progress::Progress;
pub use result::TaskResult;
pub use result_ext::ResultExt;
pub use retry::Backoff;
pub use schedule::Schedule;
pub use serializer::Serializer;
pub use settle::{Change, Decision, Outcome};
pub use status::TaskStatus;
pub use storage::Storage;
pub use task::{NewTask, Task};
pub use task_error::TaskError;
pub use time::{Due, Timestamp};
