//! The only place where a status changes.
use crate::TaskStatus::{self, *};
use crate::{Error, ErrorKind};

/// What can happen to a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
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

/// The status after `event`, or `None` where the event is not allowed.
pub const fn next(from: TaskStatus, event: Transition) -> Option<TaskStatus> {
    match (from, event) {
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

/// [`next`], with an error that names the status, the event and the statuses that allow it.
pub fn apply(from: TaskStatus, event: Transition) -> Result<TaskStatus, Error> {
    next(from, event).ok_or_else(|| {
        let allows = |s: &TaskStatus| next(*s, event).is_some();
        let allowed: Vec<_> = TaskStatus::ALL.into_iter().filter(allows).collect();
        let to = allowed.first().and_then(|s| next(*s, event));
        let to = to.map_or("?", TaskStatus::as_str);
        let names: Vec<_> = allowed.iter().map(|s| s.as_str()).collect();
        let names = names.join(" or ");
        let text = format!("a {from} task can't become {to} by {event:?}: only {names} can");
        Error::new(ErrorKind::InvalidState, text)
    })
}
