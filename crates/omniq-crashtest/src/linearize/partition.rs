//! Divides a history into the operations of each group: a task without a unique key, or all tasks of one key.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use super::history::{Answer, Call, Event, Snapshot, What};
use super::model::{Action, Operation, World};
use super::rules::Rules;

/// Which tasks belong together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum GroupName {
    /// The tasks of this unique key.
    Key(String),
    /// This task alone.
    Task(i64),
}

impl fmt::Display for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => write!(f, "the unique key {key:?}"),
            Self::Task(task) => write!(f, "the task {task}"),
        }
    }
}

/// A history, divided.
pub(super) struct Partition {
    pub(super) world: World,
    /// The operations of each group, sorted by their invocation.
    pub(super) groups: BTreeMap<GroupName, Vec<Operation>>,
}

/// An invocation and its response.
struct Pair<'a> {
    call: &'a Call,
    answer: Option<&'a Answer>,
    /// With an action that is replaced.
    operation: Operation,
}

/// Divides a history.
pub(super) fn partition(events: &[Event], rules: Rules) -> Partition {
    let pairs = pairs(events);
    let evidence = Evidence::of(&pairs);
    let mut partition = Partition {
        world: World {
            lease_nanos: u64::try_from(rules.lease.as_nanos()).unwrap_or(u64::MAX),
            strict: rules.strict,
            deaths: deaths(events),
        },
        groups: BTreeMap::new(),
    };
    for pair in &pairs {
        for (group, action) in evidence.actions(pair) {
            let operation = Operation {
                action,
                ..pair.operation.clone()
            };
            partition.groups.entry(group).or_default().push(operation);
        }
    }
    partition
}

fn deaths(events: &[Event]) -> BTreeMap<i64, usize> {
    let mut deaths = BTreeMap::new();
    for (line, event) in events.iter().enumerate() {
        if let What::Dies(owner) = event.what {
            deaths.entry(owner).or_insert(line);
        }
    }
    deaths
}

/// Returns all operations that may have had an effect or a meaningful response, sorted by their invocation.
fn pairs(events: &[Event]) -> Vec<Pair<'_>> {
    let mut pairs: Vec<Pair<'_>> = Vec::new();
    let mut open: HashMap<u64, usize> = HashMap::new();
    let mut refused = BTreeSet::new();
    for (line, event) in events.iter().enumerate() {
        match &event.what {
            What::Invoked(call) => {
                open.insert(event.client, pairs.len());
                pairs.push(Pair {
                    call,
                    answer: None,
                    operation: Operation {
                        action: Action::Get {
                            task: 0,
                            found: None,
                        },
                        invoked: line,
                        answered: None,
                        invoked_at: event.at,
                        answered_at: None,
                        client: event.client,
                    },
                });
            }
            What::Answered(answer) => {
                let Some(index) = open.remove(&event.client) else {
                    continue;
                };
                match answer {
                    Answer::Refused(_) => {
                        refused.insert(index);
                    }
                    // As if there had been no response.
                    Answer::Unknown(_) => {}
                    known => {
                        let pair = &mut pairs[index];
                        pair.answer = Some(known);
                        pair.operation.answered = Some(line);
                        pair.operation.answered_at = Some(event.at);
                    }
                }
            }
            What::Dies(_) => {}
        }
    }
    let kept = pairs.into_iter().enumerate();
    let kept = kept.filter(|(index, _)| !refused.contains(index));
    kept.map(|(_, pair)| pair).collect()
}

/// What the responses say about operations that had none.
#[derive(Default)]
struct Evidence {
    /// The task of each content.
    tasks: HashMap<u64, i64>,
    /// The key of each task that has one.
    keys: HashMap<i64, String>,
    /// The tasks with a lease that no response of a claim has.
    claimed_silently: BTreeSet<i64>,
}

impl Evidence {
    fn of(pairs: &[Pair<'_>]) -> Self {
        let mut evidence = Self::default();
        for pair in pairs {
            if let (Call::Enqueue { content, .. }, Some(Answer::New(task))) =
                (pair.call, pair.answer)
            {
                evidence.tasks.insert(*content, *task);
            }
        }
        let mut leases: HashMap<i64, (BTreeSet<u64>, u64)> = HashMap::new();
        for pair in pairs {
            for seen in snapshots(pair.answer) {
                if let Some(content) = seen.content {
                    evidence.tasks.entry(content).or_insert(seen.task);
                }
                let (claimed, last) = leases.entry(seen.task).or_default();
                *last = (*last).max(seen.lease);
                if matches!(pair.answer, Some(Answer::Claimed(_))) {
                    claimed.insert(seen.lease);
                }
            }
            if let Call::Change { task, lease, .. } = pair.call {
                let (_, last) = leases.entry(*task).or_default();
                *last = (*last).max(*lease);
            }
        }
        for (task, (claimed, last)) in leases {
            if (1..=last).any(|lease| !claimed.contains(&lease)) {
                evidence.claimed_silently.insert(task);
            }
        }
        for pair in pairs {
            if let Call::Enqueue {
                content,
                key: Some(key),
            } = pair.call
                && let Some(task) = evidence.tasks.get(content)
            {
                evidence.keys.insert(*task, key.clone());
            }
        }
        evidence
    }

    fn group(&self, task: i64) -> GroupName {
        match self.keys.get(&task) {
            Some(key) => GroupName::Key(key.clone()),
            None => GroupName::Task(task),
        }
    }

    /// Returns what an operation did to each group.
    fn actions(&self, pair: &Pair<'_>) -> Vec<(GroupName, Action)> {
        let of_task = |task: i64, action| vec![(self.group(task), action)];
        match (pair.call, pair.answer) {
            (Call::Enqueue { content, key }, answer) => self
                .enqueue(*content, key.as_ref(), answer)
                .into_iter()
                .collect(),
            (Call::Claim { owner }, answer) => self.claims(*owner, answer),
            (&Call::Renew { task, lease }, Some(answer)) => {
                let answer = answer.clone();
                of_task(
                    task,
                    Action::Renew {
                        task,
                        lease,
                        answer,
                    },
                )
            }
            (
                &Call::Change {
                    task,
                    lease,
                    expect,
                    kind,
                },
                answer,
            ) => {
                let answer = answer.cloned();
                of_task(
                    task,
                    Action::Change {
                        task,
                        lease,
                        expect,
                        kind,
                        answer,
                    },
                )
            }
            (&Call::Get { task }, Some(Answer::Found(found))) => {
                let found = (**found).clone();
                of_task(task, Action::Get { task, found })
            }
            (Call::List, answer) => {
                let get = |seen: &Snapshot| {
                    let (task, found) = (seen.task, Some(seen.clone()));
                    (self.group(task), Action::Get { task, found })
                };
                snapshots(answer).map(get).collect()
            }
            // Reads without a response.
            _ => Vec::new(),
        }
    }

    fn enqueue(
        &self,
        content: u64,
        key: Option<&String>,
        answer: Option<&Answer>,
    ) -> Option<(GroupName, Action)> {
        let key = key.cloned();
        if let Some(&Answer::Existing(holder)) = answer {
            let name = key.clone().map_or(GroupName::Task(holder), GroupName::Key);
            return Some((name, Action::Existing { key, holder }));
        }
        // Without a response, and with a task that nobody has seen, it had no effect yet.
        let task = *self.tasks.get(&content)?;
        Some((self.group(task), Action::Enqueue { task, content, key }))
    }

    fn claims(&self, owner: i64, answer: Option<&Answer>) -> Vec<(GroupName, Action)> {
        let claim = |task: i64, claimed| {
            let action = Action::Claim {
                task,
                owner,
                claimed,
            };
            (self.group(task), action)
        };
        match answer {
            Some(_) => snapshots(answer)
                .map(|seen| claim(seen.task, Some(seen.clone())))
                .collect(),
            None => {
                let tasks = self.claimed_silently.iter();
                tasks.map(|task| claim(*task, None)).collect()
            }
        }
    }
}

/// Returns the tasks in a response.
fn snapshots(answer: Option<&Answer>) -> impl Iterator<Item = &Snapshot> {
    let (many, one) = match answer {
        Some(Answer::Claimed(seen) | Answer::Listed(seen)) => (seen.as_slice(), None),
        Some(Answer::Found(seen)) => (&[][..], seen.as_ref().as_ref()),
        _ => (&[][..], None),
    };
    many.iter().chain(one)
}
