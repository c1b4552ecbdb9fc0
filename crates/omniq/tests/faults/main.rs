//! A pool on a real SQLite file while something below it fails: the pool keeps running, logs the failure once, loses
//! nothing, and resumes as soon as it can. These tests have a process of their own, because their file system fails on
//! command.
#![cfg(feature = "sqlite")]
#![allow(clippy::unwrap_used)]

// The tests of the storage use more of these two files than the tests here.
#[allow(dead_code)]
#[path = "../../../omniq-sqlite/tests/it/disk.rs"]
mod disk;
#[path = "../../../omniq-sqlite/tests/it/fault_vfs.rs"]
mod fault_vfs;

mod gated_pool;
mod load;
mod test_database;
mod warnings;

mod disk_errors;
mod dropped_queues;
mod foreign_locks;
mod missing_files;
