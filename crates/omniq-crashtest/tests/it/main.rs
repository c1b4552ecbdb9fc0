//! Several processes on one database file, some of them killed.
#![allow(clippy::unwrap_used, unreachable_pub)]

mod kills;
mod quickstart;
mod two_processes;
mod workers;
