//! A task queue that you embed instead of operating.
//!
//! Tasks are enqueued, claimed by a worker pool, run by a handler, and their results are waited for:
//!
//! ```
//! use std::time::Duration;
//!
//! use omniq::AsyncOmniQ;
//!
//! #[omniq::task(max_attempts = 5)]
//! async fn greet(name: String) -> String {
//!     format!("hello, {name}")
//! }
//!
//! #[tokio::main]
//! async fn main() -> omniq::Result<()> {
//!     let omniq = AsyncOmniQ::connect("memory:").await?;
//!     let pool = omniq.worker().concurrency(8).task::<greet>().start().await?;
//!
//!     let handle = omniq.enqueue(greet::with("Ada".into())).await?;
//!     assert_eq!(handle.wait(Duration::from_secs(30)).await?, "hello, Ada");
//!
//!     pool.stop().await?;
//!     Ok(())
//! }
//! ```
//!
//! Every form of a task, with an example for each: [writing tasks](guide::writing_tasks).
//!
//! An enqueue that returned is never lost, on a storage that outlives the process. A task runs at least
//! once, and never under two valid leases at the same time; what a late worker writes is refused.
//!
//! | to | use |
//! | --- | --- |
//! | learn all of it in ten minutes | the guide `omniq::guide::writing_tasks` |
//! | make a task of a function | [`#[omniq::task]`](macro@task) |
//! | enqueue, look, cancel | [`AsyncOmniQ`] |
//! | say what and when | [`Order`], made by `with` of a task or by [`call`] |
//! | wait for a result | [`TaskHandle`] |
//! | run tasks | [`AsyncOmniQ::worker`], [`AsyncWorkerPool`] |
//! | do all of that without async | [`OmniQ`], [`blocking`] |
//! | know about the execution | [`TaskContext`] |
//! | commit tasks with data of one's own | `SqliteStorage::enqueue_in`, `SqliteStorage::complete_in` |
//! | write a loop of one's own | [`AsyncTaskQueue`] |
//! | write a storage | [`storage`] |
//! | set it up | [`Settings`], also [from the environment](Settings::from_env) |
//! | see what happens | [`AsyncOmniQ::events`], and `omniq::logging` |
//! | know what went wrong | [`Error`] for calls, [`TaskError`] for attempts |
//! | test your tasks | [`testing`]: a clock that you move, `drain`, `assert_enqueued` |
#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod blocking;
mod claim;
mod client;
mod clock;
mod completes;
mod connect;
mod context;
mod enqueue;
mod error;
mod events;
#[cfg(all(any(doc, doctest), feature = "macros", feature = "memory"))]
pub mod guide;
mod handle;
mod handler;
#[cfg(feature = "logging")]
pub mod logging;
mod macro_support;
mod panic;
mod poller;
mod pools;
mod process;
mod queue;
mod result_payload;
mod seat_number;
mod settings;
mod settlement;
pub mod storage;
mod storage_retry;
mod task_control;
pub mod testing;
mod token;
mod waiters;
mod worker;

pub use omniq_core::storage::{QueueStats, Stats, TaskFilter};
pub use omniq_core::{
    Args, Backoff, Durability, Error, ErrorKind, Format, Order, Parameter, Payload, Progress,
    Result, ResultExt, Schedule, Serializer, Storage, Task, TaskError, TaskId, TaskResult,
    TaskStatus, Timestamp, call,
};
#[cfg(feature = "file")]
pub use omniq_file::FileStorage;
#[cfg(feature = "macros")]
pub use omniq_macros::task;
#[cfg(feature = "memory")]
pub use omniq_memory::MemoryStorage;
#[cfg(feature = "sqlite")]
pub use omniq_sqlite::SqliteStorage;
/// The version of `rusqlite` whose transactions [`SqliteStorage::enqueue_in`] accepts.
#[cfg(feature = "sqlite")]
pub use rusqlite;
/// The version of `sqlx` whose transactions [`SqliteStorage::enqueue_in_sqlx`] accepts.
#[cfg(feature = "sqlx")]
pub use sqlx;

pub use blocking::{OmniQ, WorkerPool};
pub use claim::Claim;
pub use client::AsyncOmniQ;
pub use connect::open_storage;
pub use context::{State, TaskContext};
pub use events::{Event, EventKind, EventStream};
pub use handle::TaskHandle;
pub use handler::{Handler, TaskDef};
pub use queue::AsyncTaskQueue;
pub use settings::{Backend, LogLevel, Settings, SettingsBuilder};
pub use worker::{AsyncWorkerPool, StopSummary, WorkerBuilder};

/// For the code that `#[omniq::task]` generates. It may change in any release.
#[doc(hidden)]
pub mod __private {
    pub use crate::macro_support::{
        Fails, Given, NotFailed, NotGiven, NotRun, Output, Plain, Probe, Returned, Runs, argument,
        error, name_bytes, name_len, output,
    };

    /// Returns the default of a parameter as a call by name would pass it.
    ///
    /// # Errors
    ///
    /// Of kind `Serialization` if the value can't be encoded.
    pub fn default_value<T: serde::Serialize>(value: &T) -> crate::Result<serde_json::Value> {
        crate::Payload::encode(crate::Format::Json, value)?.decode()
    }
}

/// The README's example is a test.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
