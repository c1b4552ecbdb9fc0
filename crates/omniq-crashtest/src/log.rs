//! What executions and producers note, outside the queue.

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
    /// A handler was called.
    Start,
    /// A handler has committed the transaction in which it completed its task.
    Committed,
    /// A handler is about to return.
    End,
    /// A handler saw its token fire.
    TokenFired,
    /// A handler is about to abort its process.
    Abort,
    /// A pool took the task over from an owner that was lost.
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
    /// To which task.
    pub id: TaskId,
    /// The lease it ran under; 0 where there is none.
    pub lease: u64,
    /// In which process.
    pub process: u32,
    /// When, in microseconds of this machine's clock.
    pub at: i64,
}

/// Now, in microseconds of this machine's clock.
pub fn stamp() -> i64 {
    omniq::Timestamp::from(SystemTime::now()).0
}

impl Line {
    /// Something that happens now, here.
    pub fn now(mark: Mark, id: TaskId, lease: u64) -> Self {
        Self {
            mark,
            id,
            lease,
            process: std::process::id(),
            at: stamp(),
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

/// Where lines are noted.
pub struct Log(File);

impl Log {
    /// Opens a log for appending.
    ///
    /// # Errors
    ///
    /// If the file can't be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self(file))
    }

    /// Appends a line, and then says it on standard output, for whoever listens. Short appends are whole
    /// or absent.
    ///
    /// # Errors
    ///
    /// If the file can't be written.
    pub fn note(&self, line: Line) -> io::Result<()> {
        let text = format!("{line}\n");
        (&self.0).write_all(text.as_bytes())?;
        // Nobody has to listen.
        let _ = io::stdout().write_all(text.as_bytes());
        Ok(())
    }

    /// Reads a log; one that was never begun is empty.
    ///
    /// # Errors
    ///
    /// If it can't be read, or a line is torn.
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
    fn a_line_is_read_as_it_was_written() {
        let id = TaskId::from_i64(42).unwrap();
        for (mark, _) in NAMES {
            let line = Line::now(mark, id, 7);
            assert_eq!(line.to_string().parse::<Line>().unwrap(), line);
        }
        assert!("start 1 2".parse::<Line>().is_err());
    }
}
