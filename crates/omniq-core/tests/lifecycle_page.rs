//! Writes `docs/lifecycle.md` from the rules themselves, and fails when the page had gone stale.
#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;
use std::path::Path;

use omniq_core::lifecycle::next;
use omniq_core::{TaskStatus, Transition};

/// Every event, with what it means for people.
const EVENTS: [(Transition, &str); 8] = [
    (
        Transition::Claim,
        "a pool takes it under a lease: attempts and lease go up by one",
    ),
    (
        Transition::Succeed,
        "the handler returned a value, which is kept",
    ),
    (
        Transition::Retry,
        "the attempt failed, and another may help: due again after the backoff",
    ),
    (
        Transition::Release,
        "given back unfinished, by a shutdown or a takeover: the attempt is refunded",
    ),
    (
        Transition::GiveUp,
        "the last attempt failed, or the error was fatal",
    ),
    (Transition::Cancel, "a caller does not want it any more"),
    (
        Transition::Requeue,
        "a caller wants it tried again from the beginning; the lease keeps rising",
    ),
    (Transition::Reschedule, "a caller gives it another eta"),
];

fn page() -> String {
    let mut page = String::from(
        "# The life of a task\n\n\
         Written by a test (`cargo test -p omniq-core --test lifecycle_page`) from `lifecycle.rs`, the only\n\
         place where a status changes. Don't edit it by hand.\n\n\
         \"Scheduled\" and \"retrying\" are `PENDING` with a later eta: labels for people, not states.\n\n\
         ```mermaid\nstateDiagram-v2\n    [*] --> PENDING: enqueue\n",
    );
    for from in TaskStatus::ALL {
        for (event, _) in EVENTS {
            if let Some(to) = next(from, event) {
                writeln!(page, "    {from} --> {to}: {event:?}").unwrap();
            }
        }
    }
    page.push_str("    SUCCESS --> [*]\n    FAILED --> [*]\n    CANCELLED --> [*]\n```\n\n");
    page.push_str("| from | ");
    for (event, _) in EVENTS {
        write!(page, "{event:?} | ").unwrap();
    }
    page.push_str("\n| --- |");
    page.push_str(&" --- |".repeat(EVENTS.len()));
    for from in TaskStatus::ALL {
        write!(page, "\n| `{from}` |").unwrap();
        for (event, _) in EVENTS {
            match next(from, event) {
                Some(to) => write!(page, " `{to}` |").unwrap(),
                None => page.push_str(" |"),
            }
        }
    }
    page.push_str("\n\n| event | what happened |\n| --- | --- |\n");
    for (event, meaning) in EVENTS {
        writeln!(page, "| {event:?} | {meaning} |").unwrap();
    }
    page
}

#[test]
fn the_lifecycle_page_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/lifecycle.md");
    let fresh = page();
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    if kept != fresh {
        std::fs::write(&path, fresh).unwrap();
        panic!("docs/lifecycle.md was stale and has been written anew: look at it and commit it");
    }
}
