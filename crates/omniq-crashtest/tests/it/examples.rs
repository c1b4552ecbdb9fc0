//! Runs each example as a user would, and checks its output. The examples also check themselves.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

/// The time limit of every wait.
pub const CEILING: Duration = Duration::from_secs(10);

/// Returns the path of an example's binary. Cargo puts the examples of a workspace next to its tests.
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

/// Runs an example, and checks that it succeeds and prints these texts in this order.
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
        let at = at.unwrap_or_else(|| panic!("{name}: no {text:?} in this place of\n{said}"));
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

#[tokio::test]
async fn transaction() {
    let texts = [
        "bob: it is sold out",
        "after the rollback: 0 purchases, 0 tasks",
        "ada paid 4200 cents",
        "in the end: 1 purchases, 1 payments",
    ];
    says("transaction", &texts).await;
}

#[tokio::test]
async fn blocking() {
    let texts = ["has 1 words", "hello, Ada", "attempts in all"];
    says("blocking", &texts).await;
}

#[tokio::test]
async fn own_loop() {
    let texts = [
        ", attempt 2",
        "gave 42",
        "payload: the parameter \"a\"",
        "gave 0",
        "nobody handles \"unknown\"",
    ];
    says("own_loop", &texts).await;
}

/// Runs the example `from_env` with these variables. Returns whether it succeeded, what it printed and what it logged.
async fn from_env_in(variables: &[(&str, &str)]) -> (bool, String, String) {
    let mut command = Command::new(program("from_env"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("OMNIQ_") {
            command.env_remove(name);
        }
    }
    let running = command
        .envs(variables.iter().copied())
        .kill_on_drop(true)
        .output();
    let ended = timeout(CEILING, running).await.unwrap().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        ended.status.success(),
        text(ended.stdout),
        text(ended.stderr),
    )
}

#[tokio::test]
async fn from_env() {
    let folder = tempfile::tempdir().unwrap();
    let file = format!("sqlite:///{}", folder.path().join("a.db").display());
    let base = folder.path().display().to_string();
    for place in [
        ("OMNIQ_DB_URL", file.as_str()),
        ("OMNIQ_DB_URL", "memory:"),
        ("OMNIQ_BACKEND", "memory"),
    ] {
        let (well, said, logged) = from_env_in(&[place, ("OMNIQ_BASE_DIR", &base)]).await;
        assert!(
            well && said.contains("hello, Ada"),
            "{place:?}: {said}{logged}"
        );
        for part in [
            "looking for a card",
            "name=\"greet\"",
            "attempt=1",
            "attempt=2",
            "tried again",
        ] {
            assert!(logged.contains(part), "{part} in {logged}");
        }
        assert!(
            !logged.contains("Ada"),
            "arguments are not logged: {logged}"
        );
    }
}

#[tokio::test]
async fn from_env_with_other_levels() {
    let memory = ("OMNIQ_BACKEND", "memory");
    let (_, _, logged) = from_env_in(&[memory, ("OMNIQ_LOG_LEVEL", "ERROR")]).await;
    assert_eq!(logged, "");
    let asked = ("OMNIQ_LOG_LEVEL", "info,omniq::payload=trace");
    let (_, _, logged) = from_env_in(&[memory, asked]).await;
    assert!(
        logged.contains("Ada"),
        "arguments are logged if requested: {logged}"
    );
}

#[tokio::test]
async fn from_env_with_invalid_values() {
    let wrong = [
        ("OMNIQ_LEASE", "soon"),
        ("OMNIQ_DURABILITY", "half"),
        ("OMNIQ_LAESE", "1"),
    ];
    let (well, _, logged) = from_env_in(&wrong).await;
    assert!(!well);
    for (name, value) in &wrong[..2] {
        assert!(
            logged.contains(&format!("{name} is \"{value}\"")),
            "{logged}"
        );
    }
    assert!(
        logged.contains("there is no such setting") && logged.contains("OMNIQ_LAESE"),
        "{logged}"
    );
}
