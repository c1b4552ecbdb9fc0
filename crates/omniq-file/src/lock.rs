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

/// A lock that every process shares for as long as it has the folder open: the first one knows that it is alone, and
/// that nobody has seen what a lost mount took with it. All of its methods need the lock of the folder.
pub(crate) struct OpenLock {
    /// `None` if the file system has no locks: then there is only one process.
    file: Option<Box<dyn OpenFile>>,
    path: std::path::PathBuf,
}

impl OpenLock {
    /// Takes the lock. Returns whether no other process has the folder open.
    pub(crate) fn take(disk: &dyn Disk, paths: &Paths) -> io::Result<(Self, bool)> {
        let path = paths.at("queue/open");
        let file = match disk.open(&path) {
            // An older version wrote the folder, and this process may not create the file.
            Err(e) if e.kind() == io::ErrorKind::NotFound && disk.is_read_only() => {
                return Ok((Self { file: None, path }, true));
            }
            opened => opened?,
        };
        match share(&*file) {
            Err(e) if e.kind() == io::ErrorKind::Unsupported => {
                Ok((Self { file: None, path }, true))
            }
            is_alone => {
                let is_alone = is_alone?;
                let file = Some(file);
                Ok((Self { file, path }, is_alone))
            }
        }
    }

    /// Whether the lock file is still the one at its path, on the same mount.
    pub(crate) fn is_in_place(&self) -> bool {
        let file = self.file.as_ref();
        file.is_none_or(|file| file.is_at(&self.path))
    }

    /// Whether no other process has the folder open.
    pub(crate) fn is_alone(&self) -> io::Result<bool> {
        let Some(file) = &self.file else {
            return Ok(true);
        };
        file.unlock()?;
        share(&**file)
    }
}

/// Shares a lock that is not held. Returns whether no other process shares it.
fn share(file: &dyn OpenFile) -> io::Result<bool> {
    let is_alone = file.try_lock()?;
    if is_alone {
        // Not every operating system can turn an exclusive lock into a shared one.
        file.unlock()?;
    }
    match file.try_lock_shared()? {
        true => Ok(is_alone),
        false => Err(io::Error::other("queue/open is locked by another program")),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::real::RealDisk;

    #[test]
    fn only_the_first_process_that_opens_the_folder_is_alone() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("queue")).unwrap();
        let paths = Paths::new(folder.path());
        let take = || OpenLock::take(&RealDisk::new(folder.path()), &paths).unwrap();
        let (first, is_alone) = take();
        assert!(is_alone && first.is_alone().unwrap());
        let (second, is_alone) = take();
        assert!(!is_alone && !first.is_alone().unwrap() && !second.is_alone().unwrap());
        drop(first);
        assert!(second.is_alone().unwrap() && second.is_in_place());
        // As if the volume came back on another mount.
        std::fs::remove_file(folder.path().join("queue/open")).unwrap();
        assert!(!second.is_in_place());
        assert!(take().1);
    }
}
