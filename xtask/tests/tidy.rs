//! Limits on size, and what must not be in which crate or file.
#![allow(clippy::unwrap_used)]

use std::fs;

use xtask::functions::functions;
use xtask::sources::{files_below, from_root};
use xtask::{Source, root, sources};

/// The longest file, unit tests aside.
const MAX_FILE: usize = 500;

/// The longest function, from its signature to its closing brace.
const MAX_FUNCTION: usize = 60;

/// The longest function of a test, an example or a benchmark.
const MAX_TEST_FUNCTION: usize = 100;

/// Returns the lines of code that contain one of the texts, as `path:line: code`. Comments are not searched.
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

/// Fails if anything was found, and names the rule.
fn none(found: Vec<String>, rule: &str) {
    assert!(found.is_empty(), "{rule}:\n{}", found.join("\n"));
}

#[test]
fn core_has_no_clock_no_random_numbers_and_no_io() {
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
        "omniq-core decides and has no effects: pass the value in as an argument",
    );
}

#[test]
fn clocks_are_read_in_one_place() {
    // The `wall_clock.rs` files supply the time where no queue does: in the application's own transactions, and for dropped files.
    // The writer measures its batches, and SQLite the pauses between its checks (`monotonic.rs`). The exam and the crash tests
    // measure themselves.
    let allowed = |path: &str| {
        path == "crates/omniq/src/clock.rs"
            || path == "crates/omniq-sqlite/src/wall_clock.rs"
            || path == "crates/omniq-file/src/wall_clock.rs"
            || path == "crates/omniq-writer/src/thread.rs"
            || path == "crates/omniq-sqlite/src/monotonic.rs"
            || path.starts_with("crates/omniq-conformance/")
            || path.starts_with("crates/omniq-crashtest/")
    };
    let texts = ["SystemTime::now", "Instant::now"];
    none(
        offenders(&sources().unwrap(), &texts, allowed),
        "read the clock in omniq/src/clock.rs only, and pass the time in as an argument",
    );
}

#[test]
fn sql_is_in_the_sqlite_crate_only() {
    let texts = ["SELECT ", "INSERT INTO", "DELETE FROM", "PRAGMA "];
    // The shop application of the crash tests has a table of its own.
    let allowed = |path: &str| {
        path.starts_with("crates/omniq-sqlite/") || path == "crates/omniq-crashtest/src/shop_app.rs"
    };
    none(
        offenders(&sources().unwrap(), &texts, allowed),
        "SQL belongs in omniq-sqlite only",
    );
}

#[test]
fn the_lifecycle_has_at_most_50_lines() {
    let path = root().join("crates/omniq-core/src/lifecycle.rs");
    let lines = fs::read_to_string(path).unwrap().lines().count();
    assert!(lines <= 50, "lifecycle.rs has {lines} lines");
}

#[test]
fn files_are_short() {
    let lines = |source: &Source| source.text.lines().count();
    let found = sources()
        .unwrap()
        .iter()
        .filter(|source| lines(source) > MAX_FILE)
        .map(|source| format!("{}: {} lines", source.path, lines(source)))
        .collect();
    none(
        found,
        &format!("a file has at most {MAX_FILE} lines: split it, and name each part for its job"),
    );
}

/// Returns the functions of a text that have more lines than allowed.
fn long_functions(path: &str, text: &str, limit: usize) -> Vec<String> {
    let functions = functions(text).unwrap().into_iter();
    functions
        .filter(|function| function.lines > limit)
        .map(|function| {
            let (name, line, lines) = (function.name, function.line, function.lines);
            format!("{path}:{line}: fn {name} has {lines} lines")
        })
        .collect()
}

#[test]
fn functions_are_short() {
    let mut found = Vec::new();
    for source in sources().unwrap() {
        found.extend(long_functions(&source.path, &source.text, MAX_FUNCTION));
    }
    none(
        found,
        &format!("a function has at most {MAX_FUNCTION} lines"),
    );
}

#[test]
fn functions_of_tests_and_examples_are_short() {
    let mut found = Vec::new();
    for folder in ["crates", "xtask", "bench"] {
        for file in files_below(&root().join(folder)).unwrap() {
            let path = from_root(&file);
            let rust = path.ends_with(".rs");
            // The macro's tests have files that are meant not to compile.
            if rust && !path.contains("/ui/") {
                let text = fs::read_to_string(&file).unwrap();
                found.extend(long_functions(&path, &text, MAX_TEST_FUNCTION));
            }
        }
    }
    none(
        found,
        &format!("a function of a test or an example has at most {MAX_TEST_FUNCTION} lines"),
    );
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
fn no_test_is_ignored() {
    let mark = ["#[ign", "ore"].concat();
    let mut found = offenders(
        &sources().unwrap(),
        &[&mark, "todo!(", "unimplemented!("],
        |_| false,
    );
    // Unit tests are in `src`, whose texts came without them.
    for file in files_below(&root().join("crates")).unwrap() {
        let text = fs::read_to_string(&file).unwrap_or_default();
        if text.contains(&mark) {
            found.push(from_root(&file));
        }
    }
    none(found, "mend the test, or the code that it tests");
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
fn architecture_page_is_short_and_names_every_crate() {
    let page = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    assert!(page.lines().count() <= 150);
    for folder in fs::read_dir(root().join("crates")).unwrap() {
        let name = folder.unwrap().file_name().to_string_lossy().into_owned();
        assert!(
            page.contains(&format!("`{name}`")),
            "ARCHITECTURE.md does not mention `{name}`"
        );
    }
}
