//! The public API, on every storage that is built in.
#![cfg(any(feature = "sqlite", feature = "memory"))]
#![allow(clippy::unwrap_used)]

mod failing_storage;
mod proxy_storage;
mod setup;

#[cfg(feature = "macros")]
mod blocking;
mod blocking_handlers;
mod clocks;
mod closing;
mod connecting;
mod event_lag;
mod failed_attempts;
mod handles;
#[cfg(feature = "memory")]
mod inside_runtime;
mod isolation;
mod late_signals;
#[cfg(feature = "sqlite")]
mod many_waits;
mod order_options;
mod own_loop;
#[cfg(feature = "sqlite")]
mod own_transaction;
mod pools;
mod progress;
mod running;
mod server_clock;
mod settings;
mod stopping;
mod storage_failures;
#[cfg(feature = "macros")]
mod testing;
#[cfg(feature = "macros")]
mod typed_tasks;
