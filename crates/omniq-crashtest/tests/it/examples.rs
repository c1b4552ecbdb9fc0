//! Each example, as a person runs it: it checks itself, and here it is checked that it says what it should.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

/// Nothing that is waited for takes longer.
pub const CEILING: Duration = Duration::from_secs(10);

/// Cargo builds the examples of a workspace beside its tests.
pub fn program(name: &str) -> PathBuf {
    let here = std::env::current_exe().unwrap();
    let profile = here.parent().and_then(Path::parent).unwrap();
    let program = profile
        .join("examples")
        .join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(
        program.exists(),
        "build it first: cargo build -p omniq --example {name}"
    );
    program
}

/// What it prints, once it has ended well, must hold these texts in this order.
async fn says(name: &str, texts: &[&str]) {
    let running = Command::new(program(name)).kill_on_drop(true).output();
    let ended = timeout(CEILING, running).await.unwrap().unwrap();
    let (said, troubles) = (
        String::from_utf8(ended.stdout).unwrap(),
        String::from_utf8_lossy(&ended.stderr),
    );
    assert!(ended.status.success(), "{name}: {said}\n{troubles}");
    assert_eq!(troubles, "", "{name}");
    let mut rest = said.as_str();
    for text in texts {
        let at = rest.find(text);
        let at = at.unwrap_or_else(|| panic!("{name}: no {text:?} in its place in\n{said}"));
        rest = &rest[at + text.len()..];
    }
}

#[tokio::test]
async fn retries() {
    let texts = [
        "fetch: attempt 3\nfetch gave: the page at example.org",
        "send: attempt 2\nsend gave: 200",
        "failed at attempt 1: ParseIntError: invalid digit found in string",
        "failed at attempt 2: timeout: the attempt took longer than its limit of 100ms",
    ];
    says("retries", &texts).await;
}

#[tokio::test]
async fn schedules() {
    let texts = [
        "ms  tick",
        "ms  at a point in time",
        "ms  500 ms after the order",
        "The series ended with",
    ];
    says("schedules", &texts).await;
}

#[tokio::test]
async fn blocking_work() {
    let texts = [
        "below 10000: 1229 primes",
        "below 18446744073709551615: asked to stop at",
        "below 18446744073709551614: asked to stop at",
        "failed at attempt 1: timeout: the attempt took longer than its limit of 1s",
    ];
    says("blocking_work", &texts).await;
}

#[tokio::test]
async fn state() {
    let texts = [
        "needs a state of type alloc::sync::Arc<state::Stock>",
        "The Corner sold one teapot, 1 left",
        "The Corner sold one teapot, 0 left",
        "there is no teapot left",
    ];
    says("state", &texts).await;
}

#[tokio::test]
async fn cancellation() {
    let texts = [
        "The one that waits is CANCELLED.",
        "part 3 of 1000",
        "told to stop",
        "was cancelled",
    ];
    says("cancellation", &texts).await;
}

#[tokio::test]
async fn progress() {
    let texts = [
        "12 %  page 2",
        "100 %  all pages are indexed",
        "indexed 48 letters",
        "stored: Some((1.0, \"all pages are indexed\"))",
    ];
    says("progress", &texts).await;
}
