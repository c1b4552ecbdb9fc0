//! A folder with a database and a log, and the processes on it.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::ChildStdout;
use std::time::Duration;

use omniq::{AsyncOmniQ, TaskId};
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

use crate::{Line, Log, Mark, Options, Outcome, Process};

/// Nothing that is waited for takes longer.
const CEILING: Duration = Duration::from_secs(10);

/// What a process said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// This process works.
    Ready(u32),
    /// It noted a line.
    Line(Line),
    /// This process ended.
    Gone(u32),
}

/// Where processes meet.
pub struct Scene {
    folder: TempDir,
    program: PathBuf,
    /// What the next process is told.
    pub options: Options,
    tell: UnboundedSender<Heard>,
    heard: UnboundedReceiver<Heard>,
    /// Heard while something else was waited for.
    kept: Vec<Heard>,
}

impl Scene {
    /// A new folder. `program` is this crate's binary.
    ///
    /// # Errors
    ///
    /// If there is no room for it.
    pub fn new(program: impl Into<PathBuf>) -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let (tell, heard) = unbounded_channel();
        let options = Options::new(folder.path().join("queue.db"), folder.path().join("log"));
        Ok(Self {
            folder,
            program: program.into(),
            options,
            tell,
            heard,
            kept: Vec::new(),
        })
    }

    /// `queue.db-omniq`, where the bell and the owners' files are.
    pub fn beside(&self) -> PathBuf {
        self.folder.path().join("queue.db-omniq")
    }

    /// Opens the queue in this process.
    ///
    /// # Errors
    ///
    /// If it can't be opened.
    pub async fn open(&self) -> Outcome<AsyncOmniQ> {
        Ok(self.options.open().await?)
    }

    /// What was noted so far.
    ///
    /// # Errors
    ///
    /// If a line is torn.
    pub fn lines(&self) -> Outcome<Vec<Line>> {
        Ok(Log::read(&self.options.log)?)
    }

    /// Starts a worker, without waiting for it.
    ///
    /// # Errors
    ///
    /// If it can't be started.
    pub fn worker(&self) -> Outcome<Process> {
        self.start("worker")
    }

    /// Starts a producer, without waiting for it.
    ///
    /// # Errors
    ///
    /// If it can't be started.
    pub fn producer(&self) -> Outcome<Process> {
        self.start("producer")
    }

    /// Starts a worker, and waits until it works.
    ///
    /// # Errors
    ///
    /// If it does not.
    pub async fn ready_worker(&mut self) -> Outcome<Process> {
        self.ready("worker").await
    }

    /// Starts a process in a role of `main`, and waits until it says that it is ready.
    ///
    /// # Errors
    ///
    /// If it does not.
    pub async fn ready(&mut self, role: &str) -> Outcome<Process> {
        let worker = self.start(role)?;
        let id = worker.id();
        self.until("ready", |heard| *heard == Heard::Ready(id))
            .await?;
        Ok(worker)
    }

    /// Starts a process in a role of `main`, without waiting for it.
    ///
    /// # Errors
    ///
    /// If it can't be started.
    pub fn start(&self, role: &str) -> Outcome<Process> {
        let (process, said) = Process::start(&self.program, role, &self.options)?;
        let (id, tell) = (process.id(), self.tell.clone());
        std::thread::spawn(move || {
            said.into_iter().for_each(|said| listen(said, id, &tell));
            // The scene may be over.
            let _ = tell.send(Heard::Gone(id));
        });
        Ok(process)
    }

    /// The next thing that was said.
    ///
    /// # Errors
    ///
    /// If nobody says anything.
    pub async fn hear(&mut self) -> Outcome<Heard> {
        let heard = timeout(CEILING, self.heard.recv()).await;
        heard.ok().flatten().ok_or_else(|| "silence".into())
    }

    /// The first thing of this kind that was said. What else is said meanwhile is kept for later.
    ///
    /// # Errors
    ///
    /// If it is not said within 10 s.
    pub async fn until(
        &mut self,
        what: &str,
        mut fits: impl FnMut(&Heard) -> bool,
    ) -> Outcome<Heard> {
        if let Some(at) = self.kept.iter().position(&mut fits) {
            return Ok(self.kept.swap_remove(at));
        }
        let kept = &mut self.kept;
        let search = async {
            while let Some(heard) = self.heard.recv().await {
                if fits(&heard) {
                    return Some(heard);
                }
                kept.push(heard);
            }
            None
        };
        let found = timeout(CEILING, search).await.ok().flatten();
        found.ok_or_else(|| format!("not within {CEILING:?}: {what}").into())
    }

    /// The next line with this mark about this task.
    ///
    /// # Errors
    ///
    /// If there is none within 10 s.
    pub async fn line(&mut self, mark: Mark, id: TaskId) -> Outcome<Line> {
        let fits = |heard: &Heard| matches!(heard, Heard::Line(line) if (line.mark, line.id) == (mark, id));
        match self.until(&format!("{mark:?} of {id}"), fits).await? {
            Heard::Line(line) => Ok(line),
            other => Err(format!("{other:?} is no line").into()),
        }
    }
}

fn listen(said: ChildStdout, id: u32, tell: &UnboundedSender<Heard>) {
    for text in BufReader::new(said).lines().map_while(Result::ok) {
        let heard = match text.parse() {
            Ok(line) => Heard::Line(line),
            Err(_) if text == "ready" => Heard::Ready(id),
            // The log has the whole line, or none.
            Err(_) => continue,
        };
        if tell.send(heard).is_err() {
            return;
        }
    }
}
