//! A log file outside the queue, in which producers and handlers record what happened.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::str::FromStr;
use std::time::SystemTime;

use omniq::TaskId;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mark {
    /// An enqueue returned.
    Ordered,
    /// A handler started.
    Start,
    /// A handler committed the transaction in which it completed its task.
    Committed,
    /// A handler is about to return.
    End,
    /// A handler saw its cancellation token fire.
    TokenFired,
    /// A handler is about to abort its process.
    Abort,
    /// A pool took the task over from a lost owner.
    TakenOver,
}

const NAMES: [(Mark, &str); 7] = [
    (Mark::Ordered, "ordered"),
    (Mark::Start, "start"),
    (Mark::Committed, "committed"),
    (Mark::End, "end"),
    (Mark::TokenFired, "token-fired"),
    (Mark::Abort, "abort"),
    (Mark::TakenOver, "taken-over"),
];

/// One line of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// What happened.
    pub mark: Mark,
    /// The task.
    pub id: TaskId,
    /// The lease of the execution; 0 if there is none.
    pub lease: u64,
    /// The id of the process.
    pub process: u32,
    /// The time, in microseconds of the wall clock.
    pub at: i64,
}

/// Returns the current time, in microseconds of the wall clock.
pub fn now_micros() -> i64 {
    omniq::Timestamp::from(SystemTime::now()).0
}

impl Line {
    /// Returns a line about something that happens now, in this process.
    pub fn now(mark: Mark, id: TaskId, lease: u64) -> Self {
        Self {
            mark,
            id,
            lease,
            process: std::process::id(),
            at: now_micros(),
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = NAMES.iter().find(|(mark, _)| *mark == self.mark);
        let name = name.map_or("", |(_, name)| name);
        let Self {
            id,
            lease,
            process,
            at,
            ..
        } = self;
        write!(f, "{name} {id} {lease} {process} {at}")
    }
}

impl FromStr for Line {
    type Err = io::Error;

    fn from_str(text: &str) -> io::Result<Self> {
        let parse = || {
            let mut parts = text.split(' ');
            let name = parts.next()?;
            let (mark, _) = *NAMES.iter().find(|(_, known)| *known == name)?;
            let line = Self {
                mark,
                id: parts.next()?.parse().ok()?,
                lease: parts.next()?.parse().ok()?,
                process: parts.next()?.parse().ok()?,
                at: parts.next()?.parse().ok()?,
            };
            parts.next().is_none().then_some(line)
        };
        parse().ok_or_else(|| io::Error::other(format!("a torn line: {text:?}")))
    }
}

/// The log file.
pub struct Log(File);

impl Log {
    /// Opens a log for appending.
    ///
    /// # Errors
    ///
    /// Returns an error if the file can't be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self(file))
    }

    /// Appends a line, and then prints it to standard output, where the harness may read it. The line is one short
    /// `write`, so it is either complete or absent.
    ///
    /// # Errors
    ///
    /// Returns an error if the file can't be written.
    pub fn append(&self, line: Line) -> io::Result<()> {
        let text = format!("{line}\n");
        (&self.0).write_all(text.as_bytes())?;
        // The reader may have closed the pipe.
        let _ = io::stdout().write_all(text.as_bytes());
        Ok(())
    }

    /// Reads a log. A missing file is an empty log.
    ///
    /// # Errors
    ///
    /// Returns an error if the file can't be read, or if a line is torn.
    pub fn read(path: &Path) -> io::Result<Vec<Line>> {
        match std::fs::read_to_string(path) {
            Ok(text) => text.lines().map(str::parse).collect(),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(e) => Err(e),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_survives_a_round_trip() {
        let id = TaskId::from_i64(42).unwrap();
        for (mark, _) in NAMES {
            let line = Line::now(mark, id, 7);
            assert_eq!(line.to_string().parse::<Line>().unwrap(), line);
        }
        assert!("start 1 2".parse::<Line>().is_err());
    }
}
