//! Tests of what only the storage in a folder has.
#![allow(clippy::unwrap_used)]

mod common;
#[cfg(target_os = "linux")]
mod corrupted_files;
mod dropped_files;
mod environment;
mod misplaced_files;
mod rebuilt_index;
mod two_handles;
