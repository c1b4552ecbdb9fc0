//! Several processes on one database file, some of them killed.

mod kills;
mod quickstart;
mod two_processes;
mod workers;
