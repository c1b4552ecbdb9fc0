//! Tests with several processes on one queue, some of which are killed.
#![allow(clippy::unwrap_used, clippy::print_stdout, unreachable_pub)]

mod examples;
mod judge;
mod kills;
#[cfg(unix)]
mod linearize;
mod poison;
#[cfg(target_os = "linux")]
mod powercut;
mod shop_app;
#[cfg(unix)]
mod sigstop;
mod two_processes;
mod wakeups;
#[cfg(unix)]
mod web_service;

/// Creates a harness that starts this crate's binary.
fn harness() -> omniq_crashtest::Harness {
    omniq_crashtest::Harness::new(env!("CARGO_BIN_EXE_omniq-crashtest")).unwrap()
}
