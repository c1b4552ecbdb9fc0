//! What must never be where.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use xtask::{Source, root, sources};

/// Nothing here needs more; a longer file wants to be two.
const MAX_LINES: usize = 350;

fn offenders(sources: &[Source], texts: &[&str], allowed: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources.iter().filter(|source| !allowed(&source.path)) {
        for (at, line) in source.text.lines().enumerate() {
            let code = !line.trim_start().starts_with("//");
            if code && texts.iter().any(|text| line.contains(text)) {
                found.push(format!("{}:{}: {}", source.path, at + 1, line.trim()));
            }
        }
    }
    found
}

fn none(found: Vec<String>, rule: &str) {
    assert!(found.is_empty(), "{rule}:\n{}", found.join("\n"));
}

#[test]
fn core_has_no_clock_no_dice_and_no_io() {
    let texts = [
        "SystemTime::now",
        "Instant::now",
        "std::fs",
        "std::net",
        "std::env",
        "std::process",
        "std::thread",
        "std::io",
        "fastrand",
        "RandomState",
        "tokio::",
    ];
    let elsewhere = |path: &str| !path.starts_with("crates/omniq-core/");
    none(
        offenders(&sources().unwrap(), &texts, elsewhere),
        "omniq-core decides, it never does",
    );
}

#[test]
fn clocks_are_read_in_one_place() {
    // A transaction of the application's own brings no time along, nor does a dropped file; the writer measures how long its own
    // batch takes, opening how long a lock is held, the exam how long a question does, and the crash tests
    // how long processes wait for each other.
    let allowed = |path: &str| {
        path == "crates/omniq/src/clock.rs"
            || path == "crates/omniq-sqlite/src/wall_clock.rs"
            || path == "crates/omniq-file/src/wall_clock.rs"
            || path == "crates/omniq-writer/src/thread.rs"
            || path == "crates/omniq-sqlite/src/pragmas.rs"
            || path.starts_with("crates/omniq-conformance/")
            || path.starts_with("crates/omniq-crashtest/")
    };
    let texts = ["SystemTime::now", "Instant::now"];
    none(
        offenders(&sources().unwrap(), &texts, allowed),
        "clocks belong in omniq/src/clock.rs",
    );
}

#[test]
fn sql_is_in_the_sqlite_crate_only() {
    let texts = ["SELECT ", "INSERT INTO", "DELETE FROM", "PRAGMA "];
    // The till is an application with a table of its own.
    let allowed = |path: &str| {
        path.starts_with("crates/omniq-sqlite/") || path == "crates/omniq-crashtest/src/till.rs"
    };
    none(
        offenders(&sources().unwrap(), &texts, allowed),
        "SQL belongs in omniq-sqlite",
    );
}

#[test]
fn the_lifecycle_fits_a_screen() {
    let path = root().join("crates/omniq-core/src/lifecycle.rs");
    let lines = fs::read_to_string(path).unwrap().lines().count();
    assert!(lines <= 50, "lifecycle.rs has {lines} lines");
}

#[test]
fn files_are_short() {
    let long = |source: &Source| source.text.lines().count() > MAX_LINES;
    let found = sources()
        .unwrap()
        .iter()
        .filter(|s| long(s))
        .map(|s| s.path.clone())
        .collect();
    none(found, "split it, and name each part for its job");
}

#[test]
fn every_library_forbids_unsafe_code_and_missing_docs() {
    let sources = sources().unwrap();
    let libraries: Vec<_> = sources
        .iter()
        .filter(|s| s.path.ends_with("/src/lib.rs"))
        .collect();
    assert!(libraries.len() >= 5);
    for library in libraries {
        for rule in ["#![forbid(unsafe_code)]", "#![deny(missing_docs)]"] {
            assert!(library.text.contains(rule), "{} lacks {rule}", library.path);
        }
    }
}

#[test]
fn no_test_is_switched_off() {
    let mark = ["#[ign", "ore"].concat();
    let mut found = offenders(
        &sources().unwrap(),
        &[&mark, "todo!(", "unimplemented!("],
        |_| false,
    );
    for entry in fs::read_dir(root().join("crates")).unwrap() {
        for file in below(&entry.unwrap().path().join("tests")) {
            let text = fs::read_to_string(&file).unwrap_or_default();
            if text.contains(&mark) {
                found.push(file.display().to_string());
            }
        }
    }
    none(found, "no test is skipped to get green");
}

/// Every file in a folder and in those below it.
fn below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    paths
        .flat_map(|path| {
            if path.is_dir() {
                below(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

#[test]
fn ci_runs_the_commands_of_the_readme() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let ci = fs::read_to_string(root().join(".ci/run")).unwrap();
    for command in [
        "cargo test --workspace --all-features --locked",
        "cargo run --release -p quickstart",
    ] {
        assert!(
            readme.contains(command),
            "the README does not name `{command}`"
        );
        assert!(ci.contains(command), ".ci/run does not run `{command}`");
    }
}

#[test]
fn every_example_is_in_the_readme_and_run_by_a_test() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let mut tests = String::new();
    for file in fs::read_dir(root().join("crates/omniq-crashtest/tests/it")).unwrap() {
        tests += &fs::read_to_string(file.unwrap().path()).unwrap();
    }
    for example in fs::read_dir(root().join("crates/omniq/examples")).unwrap() {
        let path = example.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let named = readme.contains(&format!("| `{name}` |"));
        assert!(named, "the README does not name the example {name}");
        let run = tests.contains(&format!("\"{name}\""));
        assert!(run, "no test runs the example {name}");
    }
}

#[test]
fn the_map_by_the_door_is_short() {
    let map = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    assert!(map.lines().count() <= 150);
    for source in fs::read_dir(root().join("crates")).unwrap() {
        let name = source.unwrap().file_name().to_string_lossy().into_owned();
        assert!(
            map.contains(&format!("`{name}`")),
            "ARCHITECTURE.md does not mention `{name}`"
        );
    }
}
