//! Generates `docs/lifecycle.md` from the rules, and fails if the page was stale.
#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;
use std::path::Path;

use omniq_core::lifecycle::next;
use omniq_core::{TaskStatus, Transition};

/// Every transition, with what happened, for people.
const TRANSITIONS: [(Transition, &str); 8] = [
    (
        Transition::Claim,
        "a pool claimed it under a lease: attempts and lease number rise by one",
    ),
    (
        Transition::Succeed,
        "the handler returned a value, which is stored",
    ),
    (
        Transition::Retry,
        "the attempt failed and another may help: due again after the backoff",
    ),
    (
        Transition::Release,
        "released unfinished, by a shutdown or a takeover: the attempt is refunded",
    ),
    (
        Transition::GiveUp,
        "the last attempt failed, or the error was fatal",
    ),
    (Transition::Cancel, "a caller cancelled it"),
    (
        Transition::Requeue,
        "a caller wants it to run again from the beginning; the lease number keeps rising",
    ),
    (Transition::Reschedule, "a caller gave it another eta"),
];

fn page() -> String {
    let mut page = String::from(
        "# The lifecycle of a task\n\n\
         This page is written by a test (`cargo test -p omniq-core --test lifecycle_page`) from `lifecycle.rs`, the only\n\
         place where a status changes. Don't edit it by hand.\n\n\
         \"Scheduled\" and \"retrying\" are `PENDING` with a later eta: labels for people, not statuses.\n\n\
         ```mermaid\nstateDiagram-v2\n    [*] --> PENDING: enqueue\n",
    );
    for from in TaskStatus::ALL {
        for (transition, _) in TRANSITIONS {
            if let Some(to) = next(from, transition) {
                writeln!(page, "    {from} --> {to}: {transition:?}").unwrap();
            }
        }
    }
    page.push_str("    SUCCESS --> [*]\n    FAILED --> [*]\n    CANCELLED --> [*]\n```\n\n");
    page.push_str("| from | ");
    for (transition, _) in TRANSITIONS {
        write!(page, "{transition:?} | ").unwrap();
    }
    page.push_str("\n| --- |");
    page.push_str(&" --- |".repeat(TRANSITIONS.len()));
    for from in TaskStatus::ALL {
        write!(page, "\n| `{from}` |").unwrap();
        for (transition, _) in TRANSITIONS {
            match next(from, transition) {
                Some(to) => write!(page, " `{to}` |").unwrap(),
                None => page.push_str(" |"),
            }
        }
    }
    page.push_str("\n\n| transition | what happened |\n| --- | --- |\n");
    for (transition, meaning) in TRANSITIONS {
        writeln!(page, "| {transition:?} | {meaning} |").unwrap();
    }
    page
}

#[test]
fn the_lifecycle_page_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/lifecycle.md");
    let fresh = page();
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    if stored != fresh {
        std::fs::write(&path, fresh).unwrap();
        panic!("docs/lifecycle.md was stale and has been rewritten: review it and commit it");
    }
}
