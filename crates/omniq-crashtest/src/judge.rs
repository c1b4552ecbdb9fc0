//! The log beside the database: every rule that does not hold has a name.

use std::collections::{HashMap, HashSet};

use omniq::{AsyncOmniQ, Task, TaskFilter, TaskId, TaskStatus};

use crate::{Death, Line, Mark, worker};

/// What the judge looks at.
#[derive(Debug)]
pub struct Evidence {
    /// The log, once all has ended.
    pub lines: Vec<Line>,
    /// Every task of the database.
    pub tasks: Vec<Task>,
    /// Who was killed. Processes that aborted say so in the log.
    pub deaths: Vec<Death>,
    /// With how many crashes a task fails.
    pub max_crashes: u32,
}

/// A rule that did not hold for a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Its enqueue returned, but it is not there.
    NothingIsLost,
    /// It has ended: well, or as poison does.
    ItEndsAsItShould,
    /// Its result was written under the lease whose execution noted its end.
    ItsResultHasAnExecution,
    /// Each lease was handed out once, and a later one is higher.
    LeasesOnlyGoUp,
    /// It ran again only after a kill of who ran it before.
    DuplicatesHaveAKill,
    /// Nothing was noted under a lease after a later one began.
    OneValidLeaseAtATime,
    /// Only the execution that ended it counts as an attempt; none does for poison.
    KillsBurnNoAttempt,
    /// Each execution that a kill cut short was counted, and no other claim.
    CrashesAreCounted,
}

/// What became of a run.
#[derive(Debug)]
pub struct Verdict {
    /// The rules that did not hold, with the evidence.
    pub broken: Vec<(Rule, TaskId, String)>,
    /// How many tasks there were.
    pub tasks: usize,
    /// How many executions began.
    pub runs: usize,
    /// How many tasks ran more than once.
    pub again: usize,
    /// How many executions a death cut short.
    pub cut_short: usize,
}

/// Every task of a queue.
///
/// # Errors
///
/// If it can't be read.
pub async fn all_tasks(omniq: &AsyncOmniQ) -> omniq::Result<Vec<Task>> {
    let mut tasks: Vec<Task> = Vec::new();
    loop {
        let mut filter = TaskFilter::new().limit(1_000);
        filter.after = tasks.last().map(|task| task.id);
        let page = omniq.list_tasks(filter).await?;
        if page.is_empty() {
            return Ok(tasks);
        }
        tasks.extend(page);
    }
}

/// Checks every rule for every task.
pub fn judge(evidence: &Evidence) -> Verdict {
    let mut broken = Vec::new();
    let known: HashSet<TaskId> = evidence.tasks.iter().map(|task| task.id).collect();
    let lost = |line: &&Line| !known.contains(&line.id);
    for line in evidence.lines.iter().filter(lost) {
        broken.push((Rule::NothingIsLost, line.id, line.to_string()));
    }
    let deaths = deaths(evidence);
    let mut stories: HashMap<TaskId, Vec<Line>> = HashMap::new();
    for line in &evidence.lines {
        stories.entry(line.id).or_default().push(*line);
    }
    let (mut runs, mut again, mut cut_short) = (0, 0, 0);
    for task in &evidence.tasks {
        let lines = stories.remove(&task.id).unwrap_or_default();
        let case = Case::new(task, &lines, &deaths, evidence.max_crashes);
        for rule in case.broken() {
            let text = format!("{} {task:?}\n{lines:#?}", task.name);
            broken.push((rule, task.id, text));
        }
        runs += case.starts.len();
        again += usize::from(case.starts.len() > 1);
        cut_short += case.cut_short();
    }
    Verdict {
        broken,
        tasks: evidence.tasks.len(),
        runs,
        again,
        cut_short,
    }
}

/// When each process that died did so, at the earliest.
fn deaths(evidence: &Evidence) -> HashMap<u32, i64> {
    let killed = evidence
        .deaths
        .iter()
        .map(|death| (death.process, death.at));
    let aborts = evidence.lines.iter().filter(|l| l.mark == Mark::Abort);
    killed.chain(aborts.map(|l| (l.process, l.at))).collect()
}

/// One task, and what was noted of it in order.
struct Case<'a> {
    task: &'a Task,
    lines: &'a [Line],
    starts: Vec<Line>,
    deaths: &'a HashMap<u32, i64>,
    max_crashes: u32,
}

impl<'a> Case<'a> {
    fn new(
        task: &'a Task,
        lines: &'a [Line],
        deaths: &'a HashMap<u32, i64>,
        max_crashes: u32,
    ) -> Self {
        let starts = lines.iter().filter(|l| l.mark == Mark::Start);
        Self {
            task,
            lines,
            starts: starts.copied().collect(),
            deaths,
            max_crashes,
        }
    }

    fn broken(&self) -> impl Iterator<Item = Rule> {
        let rules = [
            (Rule::ItEndsAsItShould, self.ends_as_it_should()),
            (Rule::ItsResultHasAnExecution, self.result_has_execution()),
            (Rule::LeasesOnlyGoUp, self.leases_go_up()),
            (Rule::DuplicatesHaveAKill, self.duplicates_have_a_kill()),
            (Rule::OneValidLeaseAtATime, self.one_lease_at_a_time()),
            (Rule::KillsBurnNoAttempt, self.kills_burn_no_attempt()),
            (Rule::CrashesAreCounted, self.crashes_are_counted()),
        ];
        rules
            .into_iter()
            .filter(|(_, holds)| !holds)
            .map(|(r, _)| r)
    }

    fn is_poison(&self) -> bool {
        self.task.name == worker::POISON
    }

    fn ends_as_it_should(&self) -> bool {
        if !self.is_poison() {
            return self.task.status == TaskStatus::Success;
        }
        let types = self.task.errors.iter().map(|error| &error.error_type);
        self.task.status == TaskStatus::Failed && types.eq(["crash"])
    }

    fn result_has_execution(&self) -> bool {
        let ended = |l: &Line| l.mark == Mark::End && l.lease == self.task.lease;
        self.is_poison() || self.lines.iter().any(ended)
    }

    fn leases_go_up(&self) -> bool {
        let bounds = self
            .starts
            .iter()
            .all(|l| (1..=self.task.lease).contains(&l.lease));
        bounds && self.starts.is_sorted_by(|a, b| a.lease < b.lease)
    }

    fn duplicates_have_a_kill(&self) -> bool {
        let explained = |pair: &[Line]| {
            let died = self.deaths.get(&pair[0].process);
            died.is_some_and(|died| *died <= pair[1].at)
        };
        self.starts.windows(2).all(explained)
    }

    fn one_lease_at_a_time(&self) -> bool {
        let of_runs = self.lines.iter().filter(|l| l.lease > 0);
        of_runs.map(|l| l.lease).is_sorted()
    }

    fn kills_burn_no_attempt(&self) -> bool {
        self.task.attempts == u32::from(!self.is_poison())
    }

    /// An execution that noted its end may have been cut short before its outcome was written, or before
    /// its place in the owner's notes was used again: it may count or not.
    fn crashes_are_counted(&self) -> bool {
        let (crashes, claims) = (self.task.crashes as usize, self.task.lease as usize);
        let most = claims - usize::from(!self.is_poison()).min(claims);
        let poison = self.is_poison() && self.task.crashes != self.max_crashes;
        (self.cut_short()..=most).contains(&crashes) && !poison
    }

    fn cut_short(&self) -> usize {
        let ended = |lease| {
            let ends = |l: &Line| l.mark == Mark::End && l.lease == lease;
            self.lines.iter().any(ends)
        };
        self.starts
            .iter()
            .filter(|start| !ended(start.lease))
            .count()
    }
}
