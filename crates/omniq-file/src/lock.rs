//! Whose turn it is: one lock of the system's for the whole folder.

use std::io;
use std::path::Path;
use std::time::Duration;

use omniq_core::{Error, ErrorKind};

use crate::disk::{Disk, OpenFile};
use crate::errors::Failure;
use crate::paths::Paths;

/// How often a lock is tried that another process has, and the longest wait in between: about five seconds.
/// The writers queue elsewhere, so that it is rarely needed.
const TRIES: u32 = 1_100;
const WAIT: Duration = Duration::from_micros(100);
const LONGEST_WAIT: Duration = Duration::from_millis(5);

/// The lock of a folder.
pub(crate) struct Lock {
    file: Box<dyn OpenFile>,
    path: std::path::PathBuf,
    /// Where the file system has no locks, only one process may come.
    only: bool,
    taken: bool,
}

impl Lock {
    /// Opens it, and takes it.
    pub(crate) fn open(disk: &dyn Disk, paths: &Paths, boot: &str) -> Result<Self, Failure> {
        let path = paths.at("queue/lock");
        let file = disk.open(&path)?;
        let mut lock = Self {
            file,
            path,
            only: false,
            taken: false,
        };
        match lock.take() {
            Err(Failure::Disk(e)) if e.kind() == io::ErrorKind::Unsupported => {
                alone(disk, paths, boot)?;
                lock.only = true;
                lock.taken = true;
            }
            taken => taken?,
        }
        Ok(lock)
    }

    pub(crate) fn take(&mut self) -> Result<(), Failure> {
        let mut wait = WAIT;
        for _ in 0..TRIES {
            if self.only || self.taken || self.file.try_lock()? {
                self.taken = true;
                return Ok(());
            }
            std::thread::sleep(wait);
            wait = (wait * 2).min(LONGEST_WAIT);
        }
        Err(Failure::Busy)
    }

    pub(crate) fn let_go(&mut self) {
        if std::mem::take(&mut self.taken) && !self.only {
            // What can't be unlocked is unlocked when it is closed.
            let _ = self.file.unlock();
        }
    }

    pub(crate) fn is_in_place(&self) -> bool {
        self.file.is_in_place(&self.path)
    }

    /// At the end of the only process.
    pub(crate) fn leave(&self, disk: &dyn Disk, paths: &Paths) {
        if self.only {
            let _ = disk.remove(&only(paths));
        }
    }
}

fn only(paths: &Paths) -> std::path::PathBuf {
    paths.at("queue/only")
}

/// Says that this is the only process, if no other says so.
fn alone(disk: &dyn Disk, paths: &Paths, boot: &str) -> Result<(), Failure> {
    let path = only(paths);
    let text = format!("{}\n{boot}\n", std::process::id());
    match disk.make(&path, text.as_bytes()) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Err(taken(disk, &path, boot).into()),
        made => {
            tracing::warn!(folder = %paths.base().display(), "its file system has no locks: no other process can use it");
            Ok(made?)
        }
    }
}

fn taken(disk: &dyn Disk, path: &Path, boot: &str) -> Error {
    let text = disk.read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let mut lines = text.lines();
    let process = lines.next().unwrap_or("?").to_owned();
    let since = match lines.next() {
        Some(other) if other != boot => ", before the machine was started again",
        _ => "",
    };
    let text = format!(
        "the file system of {} has no locks, so that only one process can use the queue, and process {process} \
         has said that it does{since}: delete that file if there is no such process any more",
        path.display()
    );
    Error::new(ErrorKind::Storage, text)
}
