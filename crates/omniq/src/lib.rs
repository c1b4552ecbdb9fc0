//! An embedded task queue: durable background tasks without a server.
//!
//! Enqueue a call of a function; a worker pool, in this process or in another one, runs it, and you wait for its result.
//! Tasks and results are stored in a SQLite file (it may be your application's own database), in a folder of readable
//! files, or in memory.
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
//!     let omniq = AsyncOmniQ::connect("memory:").await?; // or "sqlite:///jobs.db"
//!     let pool = omniq.worker().concurrency(8).task::<greet>().start().await?;
//!
//!     let handle = omniq.enqueue(greet::with("Ada".into())).await?;
//!     assert_eq!(handle.wait(Duration::from_secs(30)).await?, "hello, Ada");
//!
//!     pool.stop().await?;
//!     omniq.close().await?;
//!     Ok(())
//! }
//! ```
//!
//! # Promises
//!
//! - After `enqueue` has returned, the task is not lost: not by `kill -9`, and not by a power cut (a SQLite file or a
//!   folder, default durability).
//! - A task runs at least once, and never under two valid leases at the same time. "Exactly once" is not promised: write
//!   handlers that may run again. A handler's writes to the queue's own database happen exactly once, if it completes the
//!   task in the same transaction (`SqliteStorage::complete_in`).
//! - A worker that lost its lease changes nothing: every later write is checked against the lease number.
//! - An error says whether anything was changed; a commit that failed is reported as [unknown](Error::is_unknown).
//!
//! # Where to find what
//!
//! | to | use |
//! | --- | --- |
//! | turn a function into a task | [`#[omniq::task]`](macro@task) |
//! | enqueue, wait, list, cancel; start worker pools | [`AsyncOmniQ`], or [`OmniQ`] without async (see [`blocking`]) |
//! | describe a call: when, in which order, how often | [`Order`], from `with` of a task or from [`call`] |
//! | wait for a result | [`TaskHandle`] |
//! | use the running task: progress, cancellation, state | [`TaskContext`] |
//! | commit tasks with your own data | `SqliteStorage::enqueue_in`, `SqliteStorage::complete_in` |
//! | write a worker loop of your own, without a pool | [`AsyncTaskQueue`] |
//! | write a storage | [`storage`] |
//! | configure | [`Settings`], also [from the environment](Settings::from_env) |
//! | observe | [`AsyncOmniQ::events`], `omniq::logging` |
//! | end in good order | [`AsyncWorkerPool::run_until_signal`], [`AsyncOmniQ::close`] |
//! | handle errors | [`Error`] of calls, [`TaskError`] of attempts |
//! | test your tasks | [`testing`]: a clock that you move, `drain`, `assert_enqueued` |
//!
//! # Features and requirements
//!
//! On by default: `sqlite`, `memory` and `macros` (the attribute `#[omniq::task]`). Opt-in: `file` (a folder of files),
//! `msgpack`, `anyhow`, `logging`, `jiff`, `chrono`, and `sqlx` (transactions of sqlx 0.9).
//!
//! Rust 1.91 or later (1.94 with `sqlx`), and a C compiler for the bundled SQLite. Tested on Linux.
//!
//! Read on: [writing tasks](guide::writing_tasks). The repository, which docs.rs links at the top of this page, has whole
//! programs in `crates/omniq/examples`, the architecture, and benchmarks beside other queues.
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
