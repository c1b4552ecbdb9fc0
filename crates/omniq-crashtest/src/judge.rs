//! Compares the log with the database, and names every rule that does not hold.

use std::collections::{HashMap, HashSet};

use omniq::{AsyncOmniQ, Task, TaskFilter, TaskId, TaskStatus};

use crate::{Death, Line, Mark, worker};

/// The input of the judge.
#[derive(Debug)]
pub struct Evidence {
    /// The log, read after all processes have exited.
    pub lines: Vec<Line>,
    /// Every task in the database.
    pub tasks: Vec<Task>,
    /// The processes that were killed. Processes that aborted are in the log.
    pub deaths: Vec<Death>,
    /// The number of crashes after which a task fails.
    pub max_crashes: u32,
}

/// A rule that must hold for each task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// A task whose enqueue returned is in the database.
    NothingIsLost,
    /// The task has succeeded or, if it is poison, has failed with a crash error.
    EndsAsExpected,
    /// The result was written under a lease whose execution logged its end.
    ResultHasAnExecution,
    /// Each lease number was handed out once, and later numbers are higher.
    LeasesOnlyGoUp,
    /// The task ran again only after the process that ran it before had died.
    DuplicatesFollowADeath,
    /// Nothing was logged under a lease after a later lease had started.
    OneValidLeaseAtATime,
    /// Only the execution that finished the task counts as an attempt; for poison, no execution does.
    KillsBurnNoAttempt,
    /// Each execution that a death cut short was counted as a crash, and no other claim was.
    CrashesAreCounted,
}

/// The result of judging a run.
#[derive(Debug)]
pub struct Verdict {
    /// The rules that did not hold, each with its task and the evidence.
    pub broken: Vec<(Rule, TaskId, String)>,
    /// The number of tasks.
    pub tasks: usize,
    /// The number of executions that started.
    pub executions: usize,
    /// The number of tasks that ran more than once.
    pub ran_again: usize,
    /// The number of executions that a death cut short.
    pub cut_short: usize,
}

/// Returns every task in the queue.
///
/// # Errors
///
/// Returns an error if the queue can't be read.
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
    let is_lost = |line: &&Line| !known.contains(&line.id);
    for line in evidence.lines.iter().filter(is_lost) {
        broken.push((Rule::NothingIsLost, line.id, line.to_string()));
    }
    let deaths = times_of_death(evidence);
    let mut lines_by_task: HashMap<TaskId, Vec<Line>> = HashMap::new();
    for line in &evidence.lines {
        lines_by_task.entry(line.id).or_default().push(*line);
    }
    let (mut executions, mut ran_again, mut cut_short) = (0, 0, 0);
    for task in &evidence.tasks {
        let lines = lines_by_task.remove(&task.id).unwrap_or_default();
        let case = Case::new(task, &lines, &deaths, evidence.max_crashes);
        for rule in case.broken_rules() {
            let text = format!("{} {task:?}\n{lines:#?}", task.name);
            broken.push((rule, task.id, text));
        }
        executions += case.starts.len();
        ran_again += usize::from(case.starts.len() > 1);
        cut_short += case.cut_short();
    }
    Verdict {
        broken,
        tasks: evidence.tasks.len(),
        executions,
        ran_again,
        cut_short,
    }
}

/// Returns the earliest time at which each dead process can have died.
fn times_of_death(evidence: &Evidence) -> HashMap<u32, i64> {
    let killed = evidence
        .deaths
        .iter()
        .map(|death| (death.process, death.at));
    let aborts = evidence.lines.iter().filter(|l| l.mark == Mark::Abort);
    killed.chain(aborts.map(|l| (l.process, l.at))).collect()
}

/// One task, and its log lines in order.
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

    fn broken_rules(&self) -> impl Iterator<Item = Rule> {
        let rules = [
            (Rule::EndsAsExpected, self.ends_as_expected()),
            (Rule::ResultHasAnExecution, self.result_has_execution()),
            (Rule::LeasesOnlyGoUp, self.leases_go_up()),
            (
                Rule::DuplicatesFollowADeath,
                self.duplicates_follow_a_death(),
            ),
            (Rule::OneValidLeaseAtATime, self.one_lease_at_a_time()),
            (Rule::KillsBurnNoAttempt, self.kills_burn_no_attempt()),
            (Rule::CrashesAreCounted, self.crashes_are_counted()),
        ];
        rules
            .into_iter()
            .filter(|(_, holds)| !holds)
            .map(|(rule, _)| rule)
    }

    fn is_poison(&self) -> bool {
        self.task.name == worker::POISON
    }

    fn ends_as_expected(&self) -> bool {
        if !self.is_poison() {
            return self.task.status == TaskStatus::Success;
        }
        let types = self.task.errors.iter().map(|error| &error.error_type);
        self.task.status == TaskStatus::Failed && types.eq(["crash"])
    }

    fn result_has_execution(&self) -> bool {
        let ended_under_lease = |l: &Line| l.mark == Mark::End && l.lease == self.task.lease;
        self.is_poison() || self.lines.iter().any(ended_under_lease)
    }

    fn leases_go_up(&self) -> bool {
        let within_bounds = self
            .starts
            .iter()
            .all(|l| (1..=self.task.lease).contains(&l.lease));
        within_bounds && self.starts.is_sorted_by(|a, b| a.lease < b.lease)
    }

    fn duplicates_follow_a_death(&self) -> bool {
        let is_explained = |pair: &[Line]| {
            let died = self.deaths.get(&pair[0].process);
            died.is_some_and(|died| *died <= pair[1].at)
        };
        self.starts.windows(2).all(is_explained)
    }

    fn one_lease_at_a_time(&self) -> bool {
        let of_executions = self.lines.iter().filter(|l| l.lease > 0);
        of_executions.map(|l| l.lease).is_sorted()
    }

    fn kills_burn_no_attempt(&self) -> bool {
        self.task.attempts == u32::from(!self.is_poison())
    }

    /// An execution that logged its end may have been killed before its outcome was written, or before its slot in
    /// the owner file was reused. Such an execution may or may not count as a crash.
    fn crashes_are_counted(&self) -> bool {
        let (crashes, claims) = (self.task.crashes as usize, self.task.lease as usize);
        let upper_bound = claims - usize::from(!self.is_poison()).min(claims);
        let wrong_poison = self.is_poison() && self.task.crashes != self.max_crashes;
        (self.cut_short()..=upper_bound).contains(&crashes) && !wrong_poison
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
