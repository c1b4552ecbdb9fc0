//! Records processes, cuts, opens the images, and checks them.

use std::collections::HashSet;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use omniq::Backend;
use tempfile::TempDir;

use super::cut::Cut;
use super::processes::Found;
use super::record::{Entry, record};
use super::strace;
use crate::linearize::history::{Answer, Call, Event, What};
use crate::linearize::{Rules, check};
use crate::{HarnessResult, Options, now_micros};

/// The parameters of a run.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// The seed of all random number generators.
    pub seed: u64,
    /// The storage under test.
    pub storage: Backend,
    /// How long the processes are recorded.
    pub duration: Duration,
    /// The number of images that are opened.
    pub images: usize,
    /// Whether the disk ignores syncs, which must lead to violations: it tests the test.
    pub ignores_syncs: bool,
}

/// The result of a run.
#[derive(Debug)]
pub struct Report {
    /// What is wrong with the first image that is wrong.
    pub violations: Vec<String>,
    /// The number of changes of the disk.
    pub steps: usize,
    /// The number of syncs.
    pub syncs: usize,
    /// The number of responses in the history.
    pub responses: usize,
    /// The number of tasks in the last image.
    pub tasks: usize,
    /// The folder with the image that is wrong; `None` if there is none.
    pub kept: Option<PathBuf>,
}

/// The length of a lease.
const LEASE: Duration = Duration::from_millis(400);
/// The events after a cut have this client number.
const AFTER_CUT: u64 = u64::MAX;

impl Plan {
    /// Returns a plan with a new seed, which `OMNIQ_TEST_SEED` overrides.
    ///
    /// # Errors
    ///
    /// Returns an error if the variable is not a number.
    pub fn from_env(storage: Backend, duration: Duration, images: usize) -> HarnessResult<Self> {
        let seed = std::env::var("OMNIQ_TEST_SEED").ok();
        let seed = seed.map(|text| text.parse()).transpose()?;
        Ok(Self {
            seed: seed.unwrap_or_else(|| now_micros().unsigned_abs()),
            storage,
            duration,
            images,
            ignores_syncs: false,
        })
    }

    /// Returns the plan of a command line: `--storage sqlite|file`, `--seconds N`, `--images N`, `--seed N`.
    ///
    /// # Errors
    ///
    /// Returns an error if an option is unknown, or if its value can't be used.
    pub fn from_args(mut args: impl Iterator<Item = String>) -> HarnessResult<Self> {
        let mut plan = Self::from_env(Backend::Sqlite, Duration::from_secs(5), 300)?;
        while let Some(option) = args.next() {
            let missing = || format!("{option} needs a value");
            let value = args.next().ok_or_else(missing)?;
            match option.as_str() {
                "--storage" => plan.storage = crate::options::parse_backend(&value)?,
                "--seconds" => plan.duration = Duration::from_secs(value.parse()?),
                "--images" => plan.images = value.parse()?,
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
pub fn print(plan: Plan) -> HarnessResult<()> {
    println!("{plan:?}");
    let report = run(&std::env::current_exe()?, plan)?;
    println!(
        "{} steps, {} syncs, {} responses; {} images, {} tasks in the last; violations: {}",
        report.steps,
        report.syncs,
        report.responses,
        plan.images,
        report.tasks,
        report.violations.len()
    );
    for violation in &report.violations {
        println!("{violation}");
    }
    match report.kept {
        None => Ok(()),
        Some(folder) => Err(format!("see above; the image is in {}", folder.display()).into()),
    }
}

/// Runs a plan: records, cuts, opens, and checks.
///
/// # Errors
///
/// Returns an error if strace is missing, or if the harness fails. A violation is not an error; the report has it.
pub fn run(program: &Path, plan: Plan) -> HarnessResult<Report> {
    strace::require()?;
    let folder = tempfile::tempdir()?;
    // Strace prints paths without symbolic links.
    let base = folder.path().canonicalize()?;
    let data = base.join("data");
    fs::create_dir(&data)?;
    let mut options = Options::new(data.join("queue.db"), base.join("history"));
    options.storage = plan.storage;
    options.lease = LEASE;
    options.concurrency = 2;
    options.seed = plan.seed;
    let trace = base.join("trace");
    run_processes(strace::recording(program, &trace), &options, plan.duration)?;
    let trace = fs::read_to_string(trace)?;
    let entries = record(&trace, &data, &options.log)?;
    let count = |is: fn(&Entry) -> bool| entries.iter().filter(|entry| is(entry)).count();
    let mut report = Report {
        violations: Vec::new(),
        steps: count(|entry| matches!(entry, Entry::Step(_))),
        syncs: count(|entry| matches!(entry, Entry::Synced { .. })),
        responses: count(
            |entry| matches!(entry, Entry::History(event) if matches!(event.what, What::Answered(_))),
        ),
        tasks: 0,
        kept: None,
    };
    let mut opener = Opener::start(program, &options)?;
    let images = image_folder()?;
    let folders = (data.as_path(), images.path());
    check_images(&entries, folders, plan, &mut opener, &mut report)?;
    opener.stop()?;
    if !report.violations.is_empty() {
        report.kept = Some(TempDir::keep(images));
    }
    Ok(report)
}

/// Returns a folder for the images: in memory if possible, because the storage of files flushes the whole file system.
fn image_folder() -> io::Result<TempDir> {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir())
}

/// Starts the processes that are recorded, and stops them after the duration.
fn run_processes(mut command: Command, options: &Options, duration: Duration) -> HarnessResult<()> {
    command.arg("powercut-processes").args(options.to_args());
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    let output = child.stdout.take().ok_or("no output")?;
    BufReader::new(output).read_line(&mut line)?;
    if line == "ready\n" {
        std::thread::sleep(duration);
    }
    drop(child.stdin.take());
    let status = child.wait()?;
    match status.success() && line == "ready\n" {
        true => Ok(()),
        false => Err(format!("the recorded processes ended with {status}").into()),
    }
}

/// Cuts at random points of what was recorded in the folder `data`, and checks an image of each, until one is wrong.
fn check_images(
    entries: &[Entry],
    (data, images): (&Path, &Path),
    plan: Plan,
    opener: &mut Opener,
    report: &mut Report,
) -> HarnessResult<()> {
    let mut random = fastrand::Rng::with_seed(plan.seed);
    let mut points: Vec<usize> = (0..plan.images)
        .map(|_| random.usize(..=entries.len()))
        .collect();
    points.sort_unstable();
    let mut points = points.into_iter().enumerate().peekable();
    let mut cut = Cut::new(data);
    let mut history: Vec<Event> = Vec::new();
    for passed in 0..=entries.len() {
        while let Some((number, _)) = points.next_if(|(_, point)| *point == passed) {
            let chance = [0.0, 1.0, 0.5, random.f64()][number % 4];
            let image = images.join(format!("image-{number}"));
            cut.image(chance, &mut random).write_to(data, &image)?;
            let problems = match opener.open(&image)? {
                Found::Failed(error) => vec![format!("the image can't be used: {error}")],
                Found::Operations(operations) => {
                    report.tasks = tasks(&operations);
                    check_history(&history, operations)
                }
            };
            if problems.is_empty() {
                fs::remove_dir_all(&image)?;
            }
            for problem in problems {
                let text = format!("{}, a cut after entry {passed}: {problem}", image.display());
                report.violations.push(text);
            }
            if !report.violations.is_empty() {
                return Ok(());
            }
        }
        match entries.get(passed) {
            Some(Entry::History(event)) => history.push(event.clone()),
            Some(Entry::Synced { .. }) if plan.ignores_syncs => {}
            Some(entry) => cut.pass(passed, entry),
            None => {}
        }
    }
    Ok(())
}

/// Checks that the history before a cut, and the operations after it, have a possible order. Reads every task that was
/// acknowledged.
fn check_history(history: &[Event], operations: Vec<(Call, Answer)>) -> Vec<String> {
    let mut events = history.to_vec();
    let at = events.last().map_or(0, |event| event.at);
    let mut add = |what| {
        events.push(Event {
            client: AFTER_CUT,
            at,
            what,
        });
    };
    let listed = listed(&operations);
    for (call, answer) in operations {
        add(What::Invoked(call));
        add(What::Answered(answer));
    }
    for event in history {
        if let What::Answered(Answer::New(task)) = event.what
            && !listed.contains(&task)
        {
            add(What::Invoked(Call::Get { task }));
            add(What::Answered(Answer::Found(Box::new(None))));
        }
    }
    let rules = Rules {
        lease: LEASE,
        strict: false,
    };
    let violations = check(&events, rules);
    violations.iter().map(ToString::to_string).collect()
}

fn listed(operations: &[(Call, Answer)]) -> HashSet<i64> {
    let pages = operations.iter().filter_map(|(_, answer)| match answer {
        Answer::Listed(page) => Some(page),
        _ => None,
    });
    pages.flatten().map(|seen| seen.task).collect()
}

fn tasks(operations: &[(Call, Answer)]) -> usize {
    listed(operations).len()
}

/// The process that opens images.
struct Opener {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Opener {
    /// For files, the storage must believe that the machine was started again, because it repeats everything only then.
    fn start(program: &Path, options: &Options) -> HarnessResult<Self> {
        let mut command = match options.storage {
            Backend::File => strace::without_boot_id(program),
            _ => Command::new(program),
        };
        command.arg("powercut-open").args(options.to_args());
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = BufReader::new(child.stdout.take().ok_or("no output")?);
        Ok(Self { child, output })
    }

    fn open(&mut self, image: &Path) -> HarnessResult<Found> {
        let input = self.child.stdin.as_mut().ok_or("no input")?;
        writeln!(input, "{}", image.display())?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        serde_json::from_str(&line).map_err(|error| {
            format!(
                "the process that opens images has failed at {}: {error}",
                image.display()
            )
            .into()
        })
    }

    fn stop(mut self) -> HarnessResult<()> {
        drop(self.child.stdin.take());
        let status = self.child.wait()?;
        match status.success() {
            true => Ok(()),
            false => Err(format!("the process that opens images ended with {status}").into()),
        }
    }
}
