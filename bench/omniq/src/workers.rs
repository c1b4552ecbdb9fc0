//! Worker processes, and what they tell.

use std::path::Path;
use std::process::Stdio;

use bench_harness::Result;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;

/// A line of a worker.
pub enum News {
    Ready,
    /// So many of its tasks have started.
    Count(usize),
    /// The handler of a task started, and when.
    Start(usize, u64),
    /// At the end: how many ran twice, and which ran.
    Ran(usize, Vec<usize>),
}

/// This program, started again, several times.
pub struct Workers {
    processes: Vec<Child>,
    orders: Vec<ChildStdin>,
    news: mpsc::Receiver<(usize, News)>,
}

impl Workers {
    /// Starts them with our own command line, and waits until each has opened the file.
    pub async fn start(count: usize, folder: &Path) -> Result<Self> {
        let (tell, news) = mpsc::channel(1_024);
        let mut workers = Self {
            processes: Vec::new(),
            orders: Vec::new(),
            news,
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
            let (orders, lines) = (process.stdin.take(), process.stdout.take());
            workers.orders.extend(orders);
            workers.processes.push(process);
            let lines = lines.ok_or("a worker without a pipe")?;
            tokio::spawn(listen(number, lines, tell.clone()));
        }
        for _ in 0..count {
            workers.next().await?;
        }
        Ok(workers)
    }

    /// Lets their pools start.
    pub async fn go(&mut self) -> Result<()> {
        for orders in &mut self.orders {
            orders.write_all(b"go\n").await?;
        }
        Ok(())
    }

    /// The next line of any of them; an error if all have ended.
    pub async fn next(&mut self) -> Result<(usize, News)> {
        let news = self.news.recv().await;
        news.ok_or_else(|| "the worker processes ended early".into())
    }

    /// Asks them to stop.
    pub fn stop(&mut self) {
        self.orders.clear();
    }

    /// Waits for their ends; an error if one of them saw an error.
    pub async fn ended(&mut self) -> Result<()> {
        for process in &mut self.processes {
            let status = process.wait().await?;
            if !status.success() {
                return Err(format!("a worker process ended with {status}").into());
            }
        }
        Ok(())
    }
}

async fn listen(number: usize, lines: ChildStdout, tell: mpsc::Sender<(usize, News)>) {
    let mut lines = BufReader::new(lines).lines();
    // A line that can't be read ends the listening, and so the run.
    while let Ok(Some(line)) = lines.next_line().await {
        let Some(news) = read(&line) else { return };
        if tell.send((number, news)).await.is_err() {
            return;
        }
    }
}

fn read(line: &str) -> Option<News> {
    let mut words = line.split(' ');
    Some(match words.next()? {
        "ready" => News::Ready,
        "count" => News::Count(words.next()?.parse().ok()?),
        "start" => News::Start(words.next()?.parse().ok()?, words.next()?.parse().ok()?),
        "ran" => {
            let again = words.next()?.parse().ok()?;
            News::Ran(again, serde_json::from_str(words.next()?).ok()?)
        }
        _ => return None,
    })
}
