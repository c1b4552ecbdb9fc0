//! Tests what only the SQLite storage promises: shared commits, truthful failures, its statements, its files.
//! The conformance suite tests what every storage promises.
#![allow(clippy::unwrap_used)] // A test that can't continue panics, in its helpers as well.

mod bulk_insert;
mod commits;
mod common;
mod completed_in_transaction;
mod disk;
mod errors;
#[cfg(target_os = "linux")]
mod exited_owners;
mod failing_disk;
mod fault_vfs;
mod file_lifecycle;
mod full_disk;
mod ids_in_order;
#[cfg(feature = "sqlx")]
mod in_sqlx;
mod in_transaction;
mod many_lanes;
mod opening;
mod plans;
mod power_cut;
mod replaced_file;
mod shared_batches;
mod statements;
#[cfg(unix)]
mod too_many_files;
mod two_handles;
