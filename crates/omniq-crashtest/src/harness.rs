//! The test harness: a folder with a database and a log, and the processes that work on it.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::ChildStdout;
use std::time::Duration;

use omniq::{AsyncOmniQ, TaskId};
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

use crate::{HarnessResult, Line, Log, Mark, Options, Process};

/// The time limit of every wait of the harness.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Something that the harness learned about a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessEvent {
    /// The process with this id is ready.
    Ready(u32),
    /// A process wrote this line to the log.
    Line(Line),
    /// The process with this id has exited.
    Exited(u32),
}

/// A folder in which processes share a queue and a log.
pub struct Harness {
    folder: TempDir,
    program: PathBuf,
    /// The options of the processes that are started next.
    pub options: Options,
    sender: UnboundedSender<ProcessEvent>,
    events: UnboundedReceiver<ProcessEvent>,
    /// Events that arrived while the harness waited for a different one.
    unmatched: Vec<ProcessEvent>,
}

impl Harness {
    /// Creates a harness with a new folder. `program` is the binary of this crate.
    ///
    /// # Errors
    ///
    /// Returns an error if the folder can't be created.
    pub fn new(program: impl Into<PathBuf>) -> HarnessResult<Self> {
        let folder = tempfile::tempdir()?;
        let (sender, events) = unbounded_channel();
        let options = Options::new(folder.path().join("queue.db"), folder.path().join("log"));
        Ok(Self {
            folder,
            program: program.into(),
            options,
            sender,
            events,
            unmatched: Vec::new(),
        })
    }

    /// Returns the path of `queue.db-omniq`, the folder with the doorbell and the owner files.
    pub fn side_folder(&self) -> PathBuf {
        self.folder.path().join("queue.db-omniq")
    }

    /// Opens the queue in this process.
    ///
    /// # Errors
    ///
    /// Returns an error if the queue can't be opened.
    pub async fn open(&self) -> HarnessResult<AsyncOmniQ> {
        Ok(self.options.open().await?)
    }

    /// Reads all lines that are in the log.
    ///
    /// # Errors
    ///
    /// Returns an error if the log can't be read, or if a line is torn.
    pub fn lines(&self) -> HarnessResult<Vec<Line>> {
        Ok(Log::read(&self.options.log)?)
    }

    /// Starts a worker, without waiting until it is ready.
    ///
    /// # Errors
    ///
    /// Returns an error if the process can't be started.
    pub fn start_worker(&self) -> HarnessResult<Process> {
        self.start("worker")
    }

    /// Starts a producer, without waiting until it is ready.
    ///
    /// # Errors
    ///
    /// Returns an error if the process can't be started.
    pub fn start_producer(&self) -> HarnessResult<Process> {
        self.start("producer")
    }

    /// Starts a worker, and waits until its pool has started.
    ///
    /// # Errors
    ///
    /// Returns an error if the worker is not ready within 10 s.
    pub async fn start_ready_worker(&mut self) -> HarnessResult<Process> {
        self.start_ready("worker").await
    }

    /// Starts a process in a role of `main`, and waits until it prints `ready`.
    ///
    /// # Errors
    ///
    /// Returns an error if the process is not ready within 10 s.
    pub async fn start_ready(&mut self, role: &str) -> HarnessResult<Process> {
        let process = self.start(role)?;
        let ready = ProcessEvent::Ready(process.id());
        self.wait_for("ready", |event| *event == ready).await?;
        Ok(process)
    }

    /// Starts a process in a role of `main`, without waiting until it is ready.
    ///
    /// # Errors
    ///
    /// Returns an error if the process can't be started.
    pub fn start(&self, role: &str) -> HarnessResult<Process> {
        let (process, output) = Process::start(&self.program, role, &self.options)?;
        let (id, sender) = (process.id(), self.sender.clone());
        std::thread::spawn(move || {
            if let Some(output) = output {
                forward_output(output, id, &sender);
            }
            // The harness may have been dropped.
            let _ = sender.send(ProcessEvent::Exited(id));
        });
        Ok(process)
    }

    /// Waits for the next event of any process.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no event within 10 s.
    pub async fn next_event(&mut self) -> HarnessResult<ProcessEvent> {
        let event = timeout(TIMEOUT, self.events.recv()).await;
        let event = event.ok().flatten();
        event.ok_or_else(|| format!("no event within {TIMEOUT:?}").into())
    }

    /// Waits for the first event that `matches` accepts. Other events that arrive meanwhile are kept for later calls.
    /// `what` names the event in the error text.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no such event within 10 s.
    pub async fn wait_for(
        &mut self,
        what: &str,
        mut matches: impl FnMut(&ProcessEvent) -> bool,
    ) -> HarnessResult<ProcessEvent> {
        if let Some(index) = self.unmatched.iter().position(&mut matches) {
            return Ok(self.unmatched.swap_remove(index));
        }
        let unmatched = &mut self.unmatched;
        let search = async {
            while let Some(event) = self.events.recv().await {
                if matches(&event) {
                    return Some(event);
                }
                unmatched.push(event);
            }
            None
        };
        let found = timeout(TIMEOUT, search).await.ok().flatten();
        found.ok_or_else(|| format!("not within {TIMEOUT:?}: {what}").into())
    }

    /// Waits for the next log line with this mark about this task.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no such line within 10 s.
    pub async fn wait_for_line(&mut self, mark: Mark, id: TaskId) -> HarnessResult<Line> {
        let matches = |event: &ProcessEvent| match event {
            ProcessEvent::Line(line) => (line.mark, line.id) == (mark, id),
            ProcessEvent::Ready(_) | ProcessEvent::Exited(_) => false,
        };
        match self.wait_for(&format!("{mark:?} of {id}"), matches).await? {
            ProcessEvent::Line(line) => Ok(line),
            other => Err(format!("{other:?} is not a line").into()),
        }
    }
}

/// Sends what a process prints as events, until its output ends.
fn forward_output(output: ChildStdout, id: u32, sender: &UnboundedSender<ProcessEvent>) {
    for text in BufReader::new(output).lines().map_while(Result::ok) {
        let event = match text.parse() {
            Ok(line) => ProcessEvent::Line(line),
            Err(_) if text == "ready" => ProcessEvent::Ready(id),
            // A killed process may leave a partial line here. The log has the complete line or none.
            Err(_) => continue,
        };
        if sender.send(event).is_err() {
            return;
        }
    }
}
