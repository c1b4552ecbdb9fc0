//! The rules of the OmniQ task queue.
//!
//! This crate decides; it never does. It has no I/O, no clock, no randomness and no runtime: time and
//! dice come in as arguments, and what should be written comes out as a [`Change`]. Programs use the
//! `omniq` crate; storages implement [`Storage`] and sit the exam of `omniq-conformance`.
//!
//! | where | what |
//! | --- | --- |
//! | [`lifecycle`] | the only place where a status changes |
//! | [`settle`] | an outcome, or a caller's wish, becomes the one write that records it |
//! | [`storage`] | the few operations that a storage offers |
//! | [`payload`] | how arguments and results are written, and how parameters bind |
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod args;
mod arguments;
mod bind;
mod completes;
mod counting_de;
mod defaults;
mod error;
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
pub use id::{OwnerId, TaskId};
pub use lifecycle::Transition;
pub use order::{Order, call};
pub use payload::{Format, Payload};
pub use progress::Progress;
pub use result::TaskResult;
pub use retry::Backoff;
pub use schedule::Schedule;
pub use serializer::Serializer;
pub use settle::{Change, Decision, Outcome};
pub use status::TaskStatus;
pub use storage::Storage;
pub use task::{NewTask, Task};
pub use task_error::TaskError;
pub use time::{Due, Timestamp};
pub use verdict::ResultExt;
