//! The lock that makes writers of the same data queue: waiting processes sleep in the operating system's queue
//! for a file lock, first come, first served.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use std::{io, thread};

use omniq_core::Result;

use super::folder::Folder;
use super::regular_file;
use crate::errors::storage_error;

/// A place in the queue of the processes that write the same data. It is advisory and does not protect the data:
/// a writer that does not get it in time writes without it.
#[derive(Debug)]
pub struct WriteLock {
    path: PathBuf,
    file: Arc<File>,
    /// Requests to the thread that waits, which is started when there is something to wait for.
    waiting: OnceLock<Option<Sender<Request>>>,
    /// That thread waits for the lock, and its request has been abandoned.
    stuck: Arc<AtomicBool>,
}

type Request = Sender<WriteLockGuard>;

/// Holds the lock until it is dropped.
#[derive(Debug)]
pub struct WriteLockGuard(Arc<File>);

impl WriteLock {
    /// Opens the lock. Two of one process queue as those of two processes do.
    ///
    /// # Errors
    ///
    /// Of kind [`ErrorKind::Storage`](omniq_core::ErrorKind::Storage) if its file can't be used.
    pub fn open(folder: &Folder) -> Result<Self> {
        let path = folder.write_lock();
        let unusable = |e| storage_error(format!("{} can't be used", path.display()), e);
        let file = Arc::new(open(&path).map_err(unusable)?);
        folder.copy_permissions_to(&path);
        Ok(Self {
            path,
            file,
            waiting: OnceLock::new(),
            stuck: Arc::default(),
        })
    }

    /// Waits for the lock. `None` if it takes longer than `patience`: its holder may have been stopped, which
    /// must not stop others. Until the lock is free again, later calls don't wait.
    pub fn take(&self, patience: Duration) -> Option<WriteLockGuard> {
        if self.file.try_lock().is_ok() {
            return Some(WriteLockGuard(self.file.clone()));
        }
        if self.stuck.load(Ordering::SeqCst) {
            return None;
        }
        let (reply, granted) = channel();
        let waiting = self.waiting.get_or_init(|| self.start().ok()).as_ref()?;
        waiting.send(reply).ok()?;
        self.wait(&granted, patience)
    }

    /// Waits for the answer to a request. A lock that comes too late is dropped with its channel, and so
    /// released.
    fn wait(
        &self,
        granted: &Receiver<WriteLockGuard>,
        patience: Duration,
    ) -> Option<WriteLockGuard> {
        match granted.recv_timeout(patience) {
            Ok(guard) => return Some(guard),
            Err(RecvTimeoutError::Disconnected) => return None,
            Err(RecvTimeoutError::Timeout) => self.stuck.store(true, Ordering::SeqCst),
        }
        // The thread answers first and then clears `stuck`; both may have happened just before we set it.
        let late = granted.try_recv();
        if !matches!(late, Err(TryRecvError::Empty)) {
            self.stuck.store(false, Ordering::SeqCst);
        }
        late.ok()
    }

    /// Starts the thread that waits: the operating system has no wait for a file lock with a time limit.
    fn start(&self) -> io::Result<Sender<Request>> {
        let file = Arc::new(open(&self.path)?);
        let (sender, requests) = channel::<Request>();
        let stuck = self.stuck.clone();
        let work = move || {
            for request in requests {
                if file.lock().is_ok() {
                    // If the request was abandoned, the guard is dropped and releases the lock.
                    let _ = request.send(WriteLockGuard(file.clone()));
                }
                drop(request);
                stuck.store(false, Ordering::SeqCst);
            }
        };
        let thread = thread::Builder::new().name("omniq-writelock".into());
        thread.spawn(work).map(|_| sender)
    }
}

impl Drop for WriteLockGuard {
    fn drop(&mut self) {
        // If this fails, closing the file unlocks it.
        let _ = self.0.unlock();
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    regular_file::open(&mut options, path)
}
