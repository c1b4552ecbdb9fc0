//! Comments, messages, names and documents use the standard terms of the field.
//!
//! `cargo test -p xtask --locked --test words` lists all offences; add `2>&1 | grep ^crates/omniq-core/` for those of one folder.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::PathBuf;

use xtask::sources::{files_below, from_root};
use xtask::words::{Rule, offences};
use xtask::{root, sources};

/// Phrases, and what to write instead.
const RULES: [(&[&str], &str); 30] = [
    (&["steady"], "monotonic (clock)"),
    (&["dice"], "random number, jitter"),
    (&["surroundings"], "environment, I/O error"),
    (&["hearer", "hearers"], "listener, subscriber"),
    (&["wish", "wishes"], "request"),
    (&["anew"], "again; re-reads, retries"),
    (&["news"], "events, changes"),
    (&["sleepers"], "waiting claims, waiting processes"),
    (&["eyes", "tray"], "reader; pending commands"),
    (
        &["stranger", "strangers"],
        "another process, a foreign file",
    ),
    (
        &["whoever", "who waits", "who just came"],
        "the waiter, the caller, any process that …",
    ),
    (&["the system"], "the operating system"),
    (
        &["is none.", "are none.", "is none:", "but is none"],
        "is not one: name the thing",
    ),
    (&["no saying"], "unknown"),
    (&["for good"], "permanently, durably"),
    (
        &[
            "what came of",
            "what became of",
            "what becomes of",
            "what is seen of",
            "what was seen of",
        ],
        "the outcome, the result: a noun",
    ),
    (
        &[
            "told of",
            "tells of",
            "tell of",
            "told it of",
            "nobody told",
        ],
        "reports, notifies",
    ),
    (&["be it"], "whether … or"),
    (
        &["for all that the", "for all that is"],
        "as far as … knows",
    ),
    (&["so long"], "for this long, after this duration"),
    (&[", else", "; else", "would else"], "otherwise"),
    (
        &["lets go of", "let go of", "letting go of"],
        "releases, released",
    ),
    (&["but for"], "except for"),
    (
        &["is over", "was over", "are over"],
        "expired (lease, time limit), finished (task)",
    ),
    (
        &["is gone", "was gone", "are gone", "were gone"],
        "dead, exited (process); missing, removed (file)",
    ),
    (&["of one's own"], "your own"),
    (&["brought along", "brings along"], "provided, provides"),
    (&["in one go"], "in one call, in one commit"),
    (&["set aside", "sets aside"], "quarantined, quarantines"),
    (&["as a whole or not"], "atomically"),
];

/// Longer phrases that contain one of the above and are fine.
const EXCEPT: [&str; 7] = [
    "so long as",
    "there is none.",
    "there are none.",
    "the system clock",
    "the system's clock",
    "but for all",
    // A shell script.
    "; else build",
];

/// Files, or folders, that may have a phrase, and why. An empty phrase means all of them.
const ALLOWED: [(&str, &str, &str); 2] = [
    ("xtask/tests/words.rs", "", "lists the phrases"),
    ("CONTRIBUTING.md", "", "its glossary lists the phrases"),
];

fn rules() -> Vec<Rule> {
    let phrases = RULES
        .iter()
        .flat_map(|(phrases, instead)| phrases.iter().map(move |phrase| (*phrase, *instead)));
    let rules = phrases.map(|(phrase, instead)| Rule {
        phrase,
        instead,
        except: &EXCEPT,
    });
    rules.collect()
}

/// Returns the files whose words are checked.
fn texts() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = ["crates", "bench", "xtask", "docs", ".ci"]
        .iter()
        .flat_map(|folder| files_below(&root().join(folder)).unwrap())
        .collect();
    for entry in fs::read_dir(root()).unwrap() {
        found.push(entry.unwrap().path());
    }
    found.retain(|path| {
        let kind = path.extension().unwrap_or_default().to_string_lossy();
        let scripts = ["justfile", "run", "bench-huey"];
        let script = path
            .file_name()
            .is_some_and(|name| scripts.iter().any(|script| name == *script));
        path.is_file()
            && (script || ["rs", "md", "sql", "toml", "py", "stderr", "html"].contains(&&*kind))
    });
    found.sort();
    found
}

fn is_allowed(path: &str, phrase: &str) -> bool {
    ALLOWED
        .iter()
        .any(|(prefix, only, _)| path.starts_with(prefix) && (only.is_empty() || *only == phrase))
}

#[test]
fn words_are_the_standard_terms() {
    let rules = rules();
    let texts = texts();
    assert!(texts.len() > 300, "only {} files", texts.len());
    let mut found = Vec::new();
    for file in texts {
        let path = from_root(&file);
        for offence in offences(&fs::read_to_string(&file).unwrap(), &rules) {
            if !is_allowed(&path, offence.phrase) {
                let (line, phrase, instead) = (offence.line, offence.phrase, offence.instead);
                found.push(format!("{path}:{line}: {phrase} → {instead}"));
            }
        }
    }
    assert!(
        found.is_empty(),
        "{} offences:\n{}",
        found.len(),
        found.join("\n")
    );
}

/// The terms are used where their subjects are.
#[test]
fn standard_terms_are_in_use() {
    let sources = sources().unwrap();
    let mut missing = Vec::new();
    for (term, crates) in [
        ("monotonic", &["omniq-core", "omniq-writer"][..]),
        ("expired", &["omniq-core", "omniq"]),
        ("jitter", &["omniq-core", "omniq-sqlite"]),
        ("fsync", &["omniq-file"]),
        ("atomically", &["omniq-core", "omniq-file"]),
    ] {
        for name in crates {
            let folder = format!("crates/{name}/src/");
            let used = sources.iter().any(|source| {
                source.path.starts_with(&folder) && source.text.to_ascii_lowercase().contains(term)
            });
            if !used {
                missing.push(format!("no file of {name} has the word {term}"));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}
