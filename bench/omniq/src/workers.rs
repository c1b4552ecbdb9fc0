//! Starts worker processes, and reads their messages.

use std::path::Path;
use std::process::Stdio;

use bench_harness::Result;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;

/// A message from a worker process, sent as one line.
pub enum Message {
    Ready,
    /// The number of tasks that have started in this process.
    Count(usize),
    /// The handler of this task started at this time.
    Start(usize, u64),
    /// The last message: the number of repeated executions, and the tasks that ran.
    Ran(usize, Vec<usize>),
}

/// Several further instances of this program.
pub struct Workers {
    processes: Vec<Child>,
    inputs: Vec<ChildStdin>,
    messages: mpsc::Receiver<(usize, Message)>,
}

impl Workers {
    /// Starts the processes with our own command line, and waits until each of them has opened the file.
    pub async fn start(count: usize, folder: &Path) -> Result<Self> {
        let (sender, messages) = mpsc::channel(1_024);
        let mut workers = Self {
            processes: Vec::new(),
            inputs: Vec::new(),
            messages,
        };
        for number in 0..count {
            let mut process = Command::new(std::env::current_exe()?)
                .args(std::env::args_os().skip(1))
                .arg("--child-of")
                .arg(folder)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .kill_on_drop(true)
                .spawn()?;
            let (input, lines) = (process.stdin.take(), process.stdout.take());
            workers.inputs.extend(input);
            workers.processes.push(process);
            let lines = lines.ok_or("a worker process has no standard output")?;
            tokio::spawn(forward_messages(number, lines, sender.clone()));
        }
        for _ in 0..count {
            workers.next().await?;
        }
        Ok(workers)
    }

    /// Starts the pools of all processes.
    pub async fn go(&mut self) -> Result<()> {
        for input in &mut self.inputs {
            input.write_all(b"go\n").await?;
        }
        Ok(())
    }

    /// Returns the next message of any process, or an error if all processes have exited.
    pub async fn next(&mut self) -> Result<(usize, Message)> {
        let message = self.messages.recv().await;
        message.ok_or_else(|| "the worker processes exited early".into())
    }

    /// Asks the processes to stop, by closing their standard input.
    pub fn stop(&mut self) {
        self.inputs.clear();
    }

    /// Waits until all processes have exited. Returns an error if one of them failed.
    pub async fn wait_for_exit(&mut self) -> Result<()> {
        for process in &mut self.processes {
            let status = process.wait().await?;
            if !status.success() {
                return Err(format!("a worker process ended with {status}").into());
            }
        }
        Ok(())
    }
}

async fn forward_messages(
    number: usize,
    lines: ChildStdout,
    sender: mpsc::Sender<(usize, Message)>,
) {
    let mut lines = BufReader::new(lines).lines();
    // An invalid line ends this loop, and with it the run.
    while let Ok(Some(line)) = lines.next_line().await {
        let Some(message) = parse(&line) else { return };
        if sender.send((number, message)).await.is_err() {
            return;
        }
    }
}

fn parse(line: &str) -> Option<Message> {
    let mut words = line.split(' ');
    Some(match words.next()? {
        "ready" => Message::Ready,
        "count" => Message::Count(words.next()?.parse().ok()?),
        "start" => Message::Start(words.next()?.parse().ok()?, words.next()?.parse().ok()?),
        "ran" => {
            let repeats = words.next()?.parse().ok()?;
            Message::Ran(repeats, serde_json::from_str(words.next()?).ok()?)
        }
        _ => return None,
    })
}
