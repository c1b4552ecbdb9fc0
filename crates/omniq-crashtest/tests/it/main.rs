//! Several processes on one database file, some of them killed.
#![allow(clippy::unwrap_used, clippy::print_stdout, unreachable_pub)]

mod examples;
mod judge;
mod kills;
mod poison;
#[cfg(unix)]
mod stopped;
mod till;
mod two_processes;
mod wakeups;
#[cfg(unix)]
mod web_service;

/// A new folder for this crate's processes.
fn scene() -> omniq_crashtest::Scene {
    omniq_crashtest::Scene::new(env!("CARGO_BIN_EXE_omniq-crashtest")).unwrap()
}
