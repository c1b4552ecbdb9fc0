//! A pool on a real SQLite file while something below it goes wrong: it stays up, says so once, loses
//! nothing, and goes on when it can. In a process of its own, whose file system fails on command.
#![cfg(feature = "sqlite")]
#![allow(clippy::unwrap_used)]

// What the storage's own tests need of these is more.
#[allow(dead_code)]
#[path = "../../../omniq-sqlite/tests/it/disk.rs"]
mod disk;
#[path = "../../../omniq-sqlite/tests/it/fault_vfs.rs"]
mod fault_vfs;

mod busy;
mod load;
mod warnings;

mod disks;
mod ends;
mod files;
mod locks;
