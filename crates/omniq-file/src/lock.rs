//! The lock of the folder: a file lock of the operating system. Where the file system has none, a file names the only
//! process that may use the folder.

use std::io;
use std::path::Path;
use std::time::Duration;

use omniq_core::{Error, ErrorKind};
use omniq_writer::ipc::BootId;

use crate::disk::{Disk, OpenFile};
use crate::errors::Failure;
use crate::paths::Paths;

/// How often a lock that another process holds is tried. With the waits, it takes about five seconds. The writers wait
/// for each other's write lock before, so retries are rare.
const TRIES: u32 = 1_100;
const FIRST_WAIT: Duration = Duration::from_micros(100);
const LONGEST_WAIT: Duration = Duration::from_millis(5);

/// The lock of a folder.
pub(crate) struct Lock {
    file: Box<dyn OpenFile>,
    path: std::path::PathBuf,
    /// The file system has no locks, and this is the only process.
    is_only: bool,
    is_held: bool,
}

impl Lock {
    /// Opens the lock file and acquires the lock.
    pub(crate) fn open(disk: &dyn Disk, paths: &Paths, boot: &BootId) -> Result<Self, Failure> {
        let path = paths.at("queue/lock");
        let file = disk.open(&path)?;
        let mut lock = Self {
            file,
            path,
            is_only: false,
            is_held: false,
        };
        match lock.acquire() {
            Err(Failure::Io(e)) if e.kind() == io::ErrorKind::Unsupported => {
                become_only_process(disk, paths, boot)?;
                lock.is_only = true;
                lock.is_held = true;
            }
            acquired => acquired?,
        }
        Ok(lock)
    }

    /// Acquires the lock; waits some seconds if another process holds it.
    pub(crate) fn acquire(&mut self) -> Result<(), Failure> {
        let mut wait = FIRST_WAIT;
        for _ in 0..TRIES {
            if self.is_only || self.is_held || self.file.try_lock()? {
                self.is_held = true;
                return Ok(());
            }
            std::thread::sleep(wait);
            wait = (wait * 2).min(LONGEST_WAIT);
        }
        Err(Failure::Locked)
    }

    pub(crate) fn release(&mut self) {
        if std::mem::take(&mut self.is_held) && !self.is_only {
            // If this fails, closing the file releases the lock.
            let _ = self.file.unlock();
        }
    }

    /// Whether the lock file is still the one at its path.
    pub(crate) fn is_in_place(&self) -> bool {
        self.file.is_at(&self.path)
    }

    /// Lets another process use the folder after this one, if the file system has no locks.
    pub(crate) fn close(&self, disk: &dyn Disk, paths: &Paths) {
        if self.is_only {
            let _ = disk.remove(&only_file(paths));
        }
    }
}

fn only_file(paths: &Paths) -> std::path::PathBuf {
    paths.at("queue/only")
}

/// Records that this is the only process that uses the folder; fails if another one is recorded.
fn become_only_process(disk: &dyn Disk, paths: &Paths, boot: &BootId) -> Result<(), Failure> {
    let path = only_file(paths);
    let text = format!("{}\n{}\n", std::process::id(), boot.as_str());
    match disk.create_new(&path, text.as_bytes()) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            Err(other_process(disk, &path, boot).into())
        }
        created => {
            tracing::warn!(folder = %paths.base().display(), "the file system has no locks: no other process can use the queue");
            Ok(created?)
        }
    }
}

/// Returns the error that names the process that uses the folder.
fn other_process(disk: &dyn Disk, path: &Path, boot: &BootId) -> Error {
    let text = disk.read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let mut lines = text.lines();
    let process = lines.next().unwrap_or("?").to_owned();
    let reboot = match lines.next() {
        Some(other) if BootId::from_text(other).is_same_as(boot) == Some(false) => {
            ", before the machine was rebooted"
        }
        _ => "",
    };
    let text = format!(
        "the file system of {} has no locks, so only one process can use the queue, and the file says that process \
         {process} uses it{reboot}: delete that file if there is no such process",
        path.display()
    );
    Error::new(ErrorKind::Storage, text)
}
