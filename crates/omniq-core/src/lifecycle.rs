//! The only place where a status changes.
use crate::TaskStatus::{self, *};
use crate::{Error, ErrorKind};

/// What can happen to a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
#[non_exhaustive]
pub enum Transition {
    Claim,
    Succeed,
    Retry,
    Release,
    GiveUp,
    Cancel,
    Requeue,
    Reschedule,
}

use Transition::*;

/// Returns the status after a transition, or `None` if the transition is not allowed.
pub const fn next(from: TaskStatus, transition: Transition) -> Option<TaskStatus> {
    match (from, transition) {
        (Pending, Claim) => Some(Running),
        (Pending, Reschedule) => Some(Pending),
        (Pending | Running, Cancel) => Some(Cancelled),
        (Running, Succeed) => Some(Success),
        (Running, Retry | Release) => Some(Pending),
        (Running, GiveUp) => Some(Failed),
        (Failed | Cancelled, Requeue) => Some(Pending),
        _ => None,
    }
}

/// As [`next`], with an error that names the status, the transition and the statuses that allow it.
pub fn apply(from: TaskStatus, transition: Transition) -> Result<TaskStatus, Error> {
    next(from, transition).ok_or_else(|| {
        let allows = |s: &TaskStatus| next(*s, transition).is_some();
        let allowed: Vec<_> = TaskStatus::ALL.into_iter().filter(allows).collect();
        let to = allowed.first().and_then(|s| next(*s, transition));
        let to = to.map_or("?", TaskStatus::as_str);
        let names: Vec<_> = allowed.iter().map(|s| s.as_str()).collect();
        let names = names.join(" or ");
        let text = format!("a {from} task can't become {to} by {transition:?}: only {names} can");
        Error::new(ErrorKind::InvalidState, text)
    })
}
