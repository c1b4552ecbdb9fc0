//! What is allowed to happen to the tasks of a group, one operation at a time.

use std::collections::BTreeMap;

use omniq::TaskStatus;
use omniq::storage::lifecycle::{Transition, next};

use super::history::{Answer, Kind, Snapshot};

/// One operation on one task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Operation {
    pub(super) action: Action,
    /// The number of the log line with the invocation.
    pub(super) invoked: usize,
    /// The number of the log line with the response. An operation without a response may have happened at any time
    /// after its invocation, or never.
    pub(super) answered: Option<usize>,
    /// The time of the invocation, in nanoseconds.
    pub(super) invoked_at: u64,
    /// The time of the response.
    pub(super) answered_at: Option<u64>,
    pub(super) client: u64,
}

/// What an operation did. `None` as an answer means that there was no response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    Enqueue {
        task: i64,
        content: u64,
        key: Option<String>,
    },
    /// An enqueue that answered that another task holds the key.
    Existing {
        key: Option<String>,
        holder: i64,
    },
    Claim {
        task: i64,
        owner: i64,
        claimed: Option<Snapshot>,
    },
    Renew {
        task: i64,
        lease: u64,
        answer: Answer,
    },
    Change {
        task: i64,
        lease: u64,
        expect: TaskStatus,
        kind: Kind,
        answer: Option<Answer>,
    },
    Get {
        task: i64,
        found: Option<Snapshot>,
    },
}

/// What all groups of a run have in common.
#[derive(Debug, Clone, Default)]
pub(super) struct World {
    /// The length of every lease, in nanoseconds.
    pub(super) lease_nanos: u64,
    /// Whether the times of takeovers are checked too.
    pub(super) strict: bool,
    /// The number of the log line before each owner died.
    pub(super) deaths: BTreeMap<i64, usize>,
}

/// The tasks of a group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Group {
    tasks: BTreeMap<i64, Register>,
}

/// A task, as the operations up to now have left it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Register {
    seen: Snapshot,
    /// When the lease was last claimed or renewed, at the earliest.
    renewed_at: u64,
    /// A requeue may change more than status and lease, so it may refuse changes that were decided before it.
    requeued: bool,
}

impl Register {
    fn holds_key(&self, key: &str) -> bool {
        let is_held = !self.seen.status.is_finished() || self.seen.owner.is_some();
        is_held && self.seen.key.as_deref() == Some(key)
    }
}

impl Group {
    /// Returns the group after an operation, or `None` if the operation can't have happened now.
    pub(super) fn after(&self, operation: &Operation, world: &World) -> Option<Self> {
        match &operation.action {
            Action::Enqueue { task, content, key } => self.enqueue(*task, *content, key.as_ref()),
            Action::Existing { key, holder } => {
                let holder = self.tasks.get(holder)?;
                holder.holds_key(key.as_deref()?).then(|| self.clone())
            }
            Action::Claim {
                task,
                owner,
                claimed,
            } => self.claim(*task, *owner, claimed.as_ref(), operation.invoked_at),
            Action::Renew {
                task,
                lease,
                answer,
            } => self.renew(*task, *lease, answer, operation.invoked_at),
            Action::Change {
                task,
                lease,
                expect,
                kind,
                answer,
            } => {
                let change = Change {
                    guard: (*expect, *lease),
                    kind: *kind,
                    operation,
                };
                self.change(*task, &change, answer.as_ref(), world)
            }
            Action::Get { task, found } => {
                let seen = self.tasks.get(task).map(|register| &register.seen);
                (seen == found.as_ref()).then(|| self.clone())
            }
        }
    }

    fn with(&self, task: i64, register: Register) -> Self {
        let mut changed = self.clone();
        changed.tasks.insert(task, register);
        changed
    }

    /// Returns the task that holds a key.
    fn holder(&self, key: &str) -> Option<i64> {
        let holds = |(_, register): &(&i64, &Register)| register.holds_key(key);
        self.tasks.iter().find(holds).map(|(task, _)| *task)
    }

    fn enqueue(&self, task: i64, content: u64, key: Option<&String>) -> Option<Self> {
        let is_taken = key.is_some_and(|key| self.holder(key).is_some());
        if is_taken || self.tasks.contains_key(&task) {
            return None;
        }
        let seen = Snapshot {
            task,
            content: Some(content),
            key: key.cloned(),
            status: TaskStatus::Pending,
            lease: 0,
            attempts: 0,
            crashes: 0,
            owner: None,
            result: None,
        };
        let register = Register {
            seen,
            renewed_at: 0,
            requeued: false,
        };
        Some(self.with(task, register))
    }

    fn claim(&self, task: i64, owner: i64, claimed: Option<&Snapshot>, at: u64) -> Option<Self> {
        let mut register = self.tasks.get(&task)?.clone();
        let seen = &mut register.seen;
        seen.status = next(seen.status, Transition::Claim)?;
        seen.lease += 1;
        seen.attempts += 1;
        seen.owner = Some(owner);
        if claimed.is_some_and(|claimed| claimed != seen) {
            return None;
        }
        register.renewed_at = at;
        // From now on, the lease number refuses what was decided before.
        register.requeued = false;
        Some(self.with(task, register))
    }

    fn renew(&self, task: i64, lease: u64, answer: &Answer, at: u64) -> Option<Self> {
        let register = self.tasks.get(&task);
        let seen = register.map(|register| &register.seen);
        let held = seen.filter(|seen| seen.lease == lease && seen.owner.is_some());
        let expected = match held.map(|seen| seen.status) {
            Some(TaskStatus::Running) => Answer::Held,
            Some(TaskStatus::Cancelled) => Answer::HeldCancelled,
            _ => Answer::Lost,
        };
        if expected != *answer {
            return None;
        }
        let mut register = register.cloned();
        if let Some(register) = register.as_mut().filter(|_| *answer != Answer::Lost) {
            register.renewed_at = register.renewed_at.max(at);
        }
        match register {
            Some(register) => Some(self.with(task, register)),
            None => Some(self.clone()),
        }
    }

    fn change(
        &self,
        task: i64,
        change: &Change<'_>,
        answer: Option<&Answer>,
        world: &World,
    ) -> Option<Self> {
        let Some(register) = self.tasks.get(&task) else {
            return (answer == Some(&Answer::NotFound)).then(|| self.clone());
        };
        let seen = &register.seen;
        let other = seen.key.as_ref().and_then(|key| self.holder(key));
        let other = other.filter(|holder| *holder != task && change.kind == Kind::Requeue);
        match answer {
            None | Some(Answer::Applied) => {
                let is_guarded = (seen.status, seen.lease) == change.guard;
                if !is_guarded || other.is_some() {
                    return None;
                }
                Some(self.with(task, change.apply(register, world)?))
            }
            Some(Answer::Stale { status, lease }) => {
                let is_true = (seen.status, seen.lease) == (*status, *lease);
                (is_true && change.may_be_stale(register)).then(|| self.clone())
            }
            Some(Answer::Conflict { holder }) => (other == Some(*holder)).then(|| self.clone()),
            Some(_) => None,
        }
    }
}

/// A change that a client asked for.
struct Change<'a> {
    guard: (TaskStatus, u64),
    kind: Kind,
    operation: &'a Operation,
}

impl Change<'_> {
    /// Returns the task after the change, or `None` if the lifecycle or a promise forbids the change.
    fn apply(&self, register: &Register, world: &World) -> Option<Register> {
        let mut register = register.clone();
        let (owner, status) = (register.seen.owner, register.seen.status);
        let seen = &mut register.seen;
        let is_release = matches!(self.kind, Kind::ReleaseCancelled | Kind::TakeOver { .. });
        if !(is_release && status == TaskStatus::Cancelled) {
            seen.status = next(status, transition(self.kind)?)?;
        }
        seen.owner = None;
        match self.kind {
            Kind::Succeed(result) => seen.result = Some(result),
            Kind::Release => seen.attempts = seen.attempts.saturating_sub(1),
            Kind::Cancel => seen.owner = owner,
            Kind::Requeue if owner.is_some() => return None,
            Kind::Requeue => {
                (seen.attempts, seen.crashes, seen.result) = (0, 0, None);
                register.requeued = true;
            }
            Kind::TakeOver { started, .. } => {
                self.check_takeover(register.renewed_at, world)?;
                if status == TaskStatus::Running {
                    seen.attempts = seen.attempts.saturating_sub(1);
                    seen.crashes += u32::from(started);
                }
            }
            Kind::Retry | Kind::GiveUp | Kind::ReleaseCancelled | Kind::Reschedule => {}
        }
        Some(register)
    }

    /// A task is taken over from a dead owner, or under a lease that was not renewed for its full length.
    fn check_takeover(&self, renewed_at: u64, world: &World) -> Option<()> {
        let Kind::TakeOver { owner, dead, .. } = self.kind else {
            return Some(());
        };
        let is_allowed = if dead {
            let death = world.deaths.get(&owner);
            let answered = self.operation.answered.unwrap_or(usize::MAX);
            death.is_some_and(|death| *death < answered)
        } else {
            let answered = self.operation.answered_at.unwrap_or(u64::MAX);
            !world.strict || answered.saturating_sub(renewed_at) >= world.lease_nanos
        };
        is_allowed.then_some(())
    }

    /// Whether the storage may refuse the change.
    fn may_be_stale(&self, register: &Register) -> bool {
        let seen = &register.seen;
        let is_guarded_further = match self.kind {
            // The storage may guard it by the number of renewals.
            Kind::TakeOver { .. } => true,
            Kind::ReleaseCancelled => seen.owner.is_none(),
            Kind::Requeue => seen.owner.is_some() || register.requeued,
            _ => register.requeued,
        };
        (seen.status, seen.lease) != self.guard || is_guarded_further
    }
}

/// Returns the transition of a change; `None` for the release of a cancelled task, which keeps its status.
fn transition(kind: Kind) -> Option<Transition> {
    Some(match kind {
        Kind::Succeed(_) => Transition::Succeed,
        Kind::Retry => Transition::Retry,
        Kind::GiveUp | Kind::TakeOver { last: true, .. } => Transition::GiveUp,
        Kind::Release | Kind::TakeOver { last: false, .. } => Transition::Release,
        Kind::Cancel => Transition::Cancel,
        Kind::Requeue => Transition::Requeue,
        Kind::Reschedule => Transition::Reschedule,
        Kind::ReleaseCancelled => return None,
    })
}
