//! What the worker processes and their judge agree on.
//!
//! Each execution appends lines to a log of its own, outside the queue, with one `write` each, so that the
//! log tells the truth also about processes that were killed.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use omniq::{AsyncOmniQ, Settings};

/// The task that the workers run: `(n, work)` notes its start, burns `work` steps and notes its end.
pub const TASK: &str = "crashtest.note";

/// Short, so that a takeover is seen soon.
pub const LEASE: Duration = Duration::from_secs(1);

/// Opens the queue of a test.
///
/// # Errors
///
/// Those of [`AsyncOmniQ::with_settings`].
pub async fn open(db: &Path) -> omniq::Result<AsyncOmniQ> {
    let url = format!("sqlite:///{}", db.display());
    let settings = Settings::builder()
        .url(url)
        .lease(LEASE)
        .poll_interval(Duration::from_millis(100))
        .max_crashes(1_000)
        .build()?;
    AsyncOmniQ::with_settings(settings).await
}

/// One line of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// The task's number, as it was ordered.
    pub n: u64,
    /// The lease it ran under.
    pub lease: u64,
    /// The process that ran it.
    pub process: u32,
    /// Whether it is the end, not the start.
    pub end: bool,
}

/// Where executions are noted.
pub struct Log(File);

impl Log {
    /// Opens a log for appending.
    ///
    /// # Errors
    ///
    /// If the file can't be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(
            OpenOptions::new().create(true).append(true).open(path)?,
        ))
    }

    /// Appends a line. Short appends are whole or absent.
    ///
    /// # Errors
    ///
    /// If the file can't be written.
    pub fn note(&self, line: Line) -> io::Result<()> {
        let mark = if line.end { "end" } else { "start" };
        let text = format!("{} {} {} {mark}\n", line.n, line.lease, line.process);
        (&self.0).write_all(text.as_bytes())
    }

    /// Reads a log.
    ///
    /// # Errors
    ///
    /// If it can't be read, or a line is torn.
    pub fn read(path: &Path) -> io::Result<Vec<Line>> {
        let parse = |text: &str| {
            let mut parts = text.split(' ');
            let n = parts.next()?.parse().ok()?;
            let lease = parts.next()?.parse().ok()?;
            let process = parts.next()?.parse().ok()?;
            let end = parts.next()? == "end";
            Some(Line {
                n,
                lease,
                process,
                end,
            })
        };
        let torn = |text: &str| io::Error::other(format!("a torn line: {text:?}"));
        let text = std::fs::read_to_string(path)?;
        text.lines()
            .map(|line| parse(line).ok_or_else(|| torn(line)))
            .collect()
    }
}
