//! What only the SQLite storage promises: shared commits, truthful failures, its statements, its files.
//! What every storage promises is the conformance suite's.
#![allow(clippy::unwrap_used)] // A test that can't go on panics, in its helpers as well.

mod alike;
mod commits;
mod common;
mod completed_in_transaction;
mod disk;
mod fault_vfs;
mod files;
mod full_disk;
mod ids_in_order;
#[cfg(feature = "sqlx")]
mod in_sqlx;
mod in_transaction;
mod many_lanes;
mod moved;
mod neighbours;
mod opening;
#[cfg(target_os = "linux")]
mod owners;
mod plans;
mod power_cut;
mod statements;
#[cfg(unix)]
mod too_many_files;
mod truth;
mod two_handles;
