//! Starts client processes, kills some and stops others, and checks the log.

use std::path::Path;
use std::time::{Duration, Instant};

use omniq::storage::Storage;
use omniq::{Backend, TaskFilter, TaskId};

use super::check::{Violation, check};
use super::client::owner_of;
use super::history::{Answer, Call, Event, Recorder, Snapshot, What, read};
use super::rules::Rules;
use crate::{Harness, HarnessResult, Process, now_micros};

/// The parameters of a run.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// The seed of all random number generators.
    pub seed: u64,
    /// The storage under test.
    pub storage: Backend,
    /// The number of processes that run at the same time.
    pub processes: usize,
    /// How long the processes run.
    pub duration: Duration,
    /// See [`Rules::strict`].
    pub strict: bool,
}

/// The result of a run.
#[derive(Debug)]
pub struct Report {
    /// The tasks whose operations have no possible order.
    pub violations: Vec<Violation>,
    /// The number of operations that were invoked.
    pub operations: usize,
    /// The number of operations without a response.
    pub unanswered: usize,
    /// The number of tasks at the end.
    pub tasks: usize,
    /// The number of processes that were killed.
    pub kills: u64,
    /// The number of times that a process was stopped for a while.
    pub stops: u64,
    /// How long the search took.
    pub search: Duration,
}

/// The length of a lease. Some stops are longer, and clients forget to renew.
const LEASE: Duration = Duration::from_millis(400);
/// A stop is shorter than this, in milliseconds.
const MAX_STOP_MS: u64 = 900;
/// The pause between two kills or stops is shorter than this, in milliseconds.
const MAX_PAUSE_MS: u64 = 150;
/// The clients of a process.
const CLIENTS: usize = 2;
/// The log lines of the harness itself have this client number.
const HARNESS: u64 = u64::MAX;

impl Plan {
    /// Returns a plan for eight processes with a new seed, which `OMNIQ_TEST_SEED` overrides.
    ///
    /// # Errors
    ///
    /// Returns an error if the variable is not a number.
    pub fn from_env(storage: Backend, duration: Duration) -> HarnessResult<Self> {
        let seed = std::env::var("OMNIQ_TEST_SEED").ok();
        let seed = seed.map(|text| text.parse()).transpose()?;
        Ok(Self {
            seed: seed.unwrap_or_else(|| now_micros().unsigned_abs()),
            storage,
            processes: 8,
            duration,
            strict: false,
        })
    }

    /// Returns the plan of a command line: `--storage sqlite|file`, `--processes N`, `--seconds N`, `--seed N`,
    /// `--strict true|false`.
    ///
    /// # Errors
    ///
    /// Returns an error if an option is unknown, or if its value can't be used.
    pub fn from_args(mut args: impl Iterator<Item = String>) -> HarnessResult<Self> {
        let mut plan = Self::from_env(Backend::Sqlite, Duration::from_secs(20))?;
        while let Some(option) = args.next() {
            let missing = || format!("{option} needs a value");
            let value = args.next().ok_or_else(missing)?;
            match option.as_str() {
                "--storage" => plan.storage = crate::options::parse_backend(&value)?,
                "--processes" => plan.processes = value.parse::<usize>()?.max(1),
                "--seconds" => plan.duration = Duration::from_secs(value.parse()?),
                "--strict" => plan.strict = value.parse()?,
                "--seed" => plan.seed = value.parse()?,
                _ => return Err(format!("unknown option {option:?}").into()),
            }
        }
        Ok(plan)
    }
}

/// Runs a plan, and prints the result.
///
/// # Errors
///
/// Returns an error if the harness fails, or if there is a violation.
pub async fn print(plan: Plan) -> HarnessResult<()> {
    println!("{plan:?}");
    let report = run(&std::env::current_exe()?, plan).await?;
    println!(
        "{} operations, {} without a response, on {} tasks; {} kills, {} stops; searched in {:.1} s; violations: {}",
        report.operations,
        report.unanswered,
        report.tasks,
        report.kills,
        report.stops,
        report.search.as_secs_f64(),
        report.violations.len()
    );
    for violation in &report.violations {
        println!("{violation}");
    }
    match report.violations.is_empty() {
        true => Ok(()),
        false => Err("the operations of some tasks have no possible order; see above".into()),
    }
}

/// Runs a plan: processes, kills, stops, and the search.
///
/// # Errors
///
/// Returns an error if the harness fails. A violation is not an error; the report has it.
pub async fn run(program: &Path, plan: Plan) -> HarnessResult<Report> {
    let mut harness = Harness::new(program)?;
    harness.options.storage = plan.storage;
    harness.options.lease = LEASE;
    harness.options.concurrency = CLIENTS;
    harness.options.seed = plan.seed;
    let mut crew = Crew {
        recorder: Recorder::open(&harness.options.log, HARNESS)?,
        harness,
        random: fastrand::Rng::with_seed(plan.seed),
        members: Vec::new(),
        started: 0,
        kills: 0,
        stops: 0,
    };
    crew.work(plan).await?;
    let tasks = crew.read_all().await?;
    let events = read(&crew.harness.options.log)?;
    let searching = Instant::now();
    let rules = Rules {
        lease: LEASE,
        strict: plan.strict,
    };
    let violations = check(&events, rules);
    let count = |is: fn(&What) -> bool| events.iter().filter(|event| is(&event.what)).count();
    let operations = count(|what| matches!(what, What::Invoked(_)));
    Ok(Report {
        violations,
        operations,
        unanswered: operations - count(|what| matches!(what, What::Answered(_))),
        tasks,
        kills: crew.kills,
        stops: crew.stops,
        search: searching.elapsed(),
    })
}

/// The processes of a run.
struct Crew {
    harness: Harness,
    recorder: Recorder,
    random: fastrand::Rng,
    members: Vec<Member>,
    /// The number of processes that were started.
    started: u64,
    kills: u64,
    stops: u64,
}

struct Member {
    process: Process,
    owner: i64,
    /// When it may continue, if it is stopped.
    stopped_until: Option<Instant>,
}

impl Crew {
    async fn work(&mut self, plan: Plan) -> HarnessResult<()> {
        for _ in 0..plan.processes {
            self.start()?;
        }
        let end = Instant::now() + plan.duration;
        while Instant::now() < end {
            let pause = self.random.u64(..MAX_PAUSE_MS);
            tokio::time::sleep(Duration::from_millis(pause)).await;
            self.continue_stopped(Instant::now())?;
            let index = self.random.usize(..self.members.len());
            match self.random.u32(..4) {
                0 => self.replace(index)?,
                1 | 2 => self.pause(index)?,
                _ => {}
            }
        }
        for member in &mut self.members {
            member.process.signal("CONT")?;
            self.recorder.record(What::Dies(member.owner))?;
        }
        let stopped = self.members.drain(..).map(|member| member.process.stop());
        stopped.collect()
    }

    fn start(&mut self) -> HarnessResult<()> {
        self.harness.options.number = self.started;
        self.members.push(Member {
            process: self.harness.start("linearize-client")?,
            owner: owner_of(self.started),
            stopped_until: None,
        });
        self.started += 1;
        Ok(())
    }

    /// Kills a process, and starts another one.
    fn replace(&mut self, index: usize) -> HarnessResult<()> {
        let member = self.members.swap_remove(index);
        self.recorder.record(What::Dies(member.owner))?;
        member.process.kill()?;
        self.kills += 1;
        self.start()
    }

    /// Stops a process for a random time.
    fn pause(&mut self, index: usize) -> HarnessResult<()> {
        let millis = self.random.u64(1..MAX_STOP_MS);
        let member = &mut self.members[index];
        if member.stopped_until.is_none() {
            member.process.signal("STOP")?;
            member.stopped_until = Some(Instant::now() + Duration::from_millis(millis));
            self.stops += 1;
        }
        Ok(())
    }

    fn continue_stopped(&mut self, now: Instant) -> HarnessResult<()> {
        for member in &mut self.members {
            if member.stopped_until.is_some_and(|until| until <= now) {
                member.process.signal("CONT")?;
                member.stopped_until = None;
            }
        }
        Ok(())
    }

    /// Reads every task of the storage, and every task that was enqueued. Returns how many tasks there are.
    async fn read_all(&mut self) -> HarnessResult<usize> {
        let settings = self.harness.options.settings()?;
        let storage = omniq::open_storage(&settings).await?;
        let events = read(&self.harness.options.log)?;
        self.recorder.record(What::Invoked(Call::List))?;
        let listed = list_all(storage.as_ref()).await?;
        let count = listed.len();
        self.recorder
            .record(What::Answered(Answer::Listed(listed)))?;
        for id in enqueued(&events) {
            let call = Call::Get { task: id.as_i64() };
            self.recorder.record(What::Invoked(call))?;
            let found = storage.get(vec![id]).await?;
            let found = found.iter().flatten().next().map(Snapshot::of);
            let answer = Answer::Found(Box::new(found));
            self.recorder.record(What::Answered(answer))?;
        }
        storage.close().await?;
        Ok(count)
    }
}

async fn list_all(storage: &dyn Storage) -> HarnessResult<Vec<Snapshot>> {
    let mut all = Vec::new();
    let mut filter = TaskFilter::new();
    loop {
        let page = storage.list_tasks(filter.clone()).await?;
        let Some(last) = page.last() else {
            return Ok(all);
        };
        filter.after = Some(last.id);
        all.extend(page.iter().map(Snapshot::of));
    }
}

/// Returns the tasks whose enqueue was acknowledged.
fn enqueued(events: &[Event]) -> Vec<TaskId> {
    let new = events.iter().filter_map(|event| match event.what {
        What::Answered(Answer::New(task)) => TaskId::from_i64(task),
        _ => None,
    });
    new.collect()
}
