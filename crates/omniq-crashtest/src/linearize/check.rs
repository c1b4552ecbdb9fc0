//! Accepts a history, or refuses it with its shortest inconsistent prefix.

use std::fmt;

use super::history::Event;
use super::model::Operation;
use super::partition::{GroupName, partition};
use super::rules::Rules;
use super::search::is_linearizable;

/// Tasks whose operations have no possible order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The tasks: one task, or all tasks of a unique key.
    pub tasks: String,
    /// The number of events in the shortest prefix of the history that has no possible order.
    pub events: usize,
    /// The operations of the tasks in this prefix, one for each line. The response that nothing explains is marked with `!`.
    pub prefix: Vec<String>,
    /// All operations of the tasks.
    pub history: Vec<String>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "no order of the operations explains {}", self.tasks)?;
        writeln!(f, "all operations of these tasks:")?;
        for line in &self.history {
            writeln!(f, "  {line}")?;
        }
        writeln!(
            f,
            "the shortest inconsistent prefix, {} events:",
            self.events
        )?;
        for line in &self.prefix {
            writeln!(f, "  {line}")?;
        }
        Ok(())
    }
}

/// More violations than this are not searched for.
const MAX_VIOLATIONS: usize = 5;

/// Searches for an order of the operations of each task. Returns the tasks for which there is none, at most five.
pub fn check(events: &[Event], rules: Rules) -> Vec<Violation> {
    let all = partition(events, rules);
    let is_violation = |(_, operations): &(_, &Vec<_>)| !is_linearizable(operations, &all.world);
    let violations = all.groups.iter().filter(is_violation).take(MAX_VIOLATIONS);
    violations
        .map(|(name, operations)| {
            let (end, prefix) = shortest_inconsistent_prefix(events, rules, name);
            Violation {
                tasks: name.to_string(),
                events: end,
                prefix: describe(&prefix, end),
                history: describe(operations, end),
            }
        })
        .collect()
}

/// Returns the number of events in the shortest prefix in which the operations of a group have no order, and these
/// operations. A prefix of a history that has an order has an order too, so the prefix is found by bisection.
fn shortest_inconsistent_prefix(
    events: &[Event],
    rules: Rules,
    name: &GroupName,
) -> (usize, Vec<Operation>) {
    let operations_before = |end: usize| {
        let mut part = partition(&events[..end], rules);
        let operations = part.groups.remove(name).unwrap_or_default();
        (operations, part.world)
    };
    let (mut consistent, mut inconsistent) = (0, events.len());
    while inconsistent - consistent > 1 {
        let middle = consistent.midpoint(inconsistent);
        let (operations, world) = operations_before(middle);
        match is_linearizable(&operations, &world) {
            true => consistent = middle,
            false => inconsistent = middle,
        }
    }
    (inconsistent, operations_before(inconsistent).0)
}

/// Describes operations, one for each line. The one whose response ends the inconsistent prefix is marked.
fn describe(operations: &[Operation], end: usize) -> Vec<String> {
    let lines = operations.iter().map(|operation| {
        let mark = match operation.answered {
            Some(line) if line + 1 == end => "!",
            _ => " ",
        };
        let from = operation.invoked;
        let to = operation.answered;
        let to = to.map_or("none".to_owned(), |line| line.to_string());
        let millis = operation.invoked_at / 1_000_000;
        let (client, action) = (operation.client, &operation.action);
        format!("{mark} events {from} to {to}, at {millis} ms, client {client}: {action:?}")
    });
    lines.collect()
}
