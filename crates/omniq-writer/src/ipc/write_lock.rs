//! Whose turn it is to write: who waits sleeps in the system's queue for a lock, first come, first served.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use std::{io, thread};

use omniq_core::Result;

use super::folder::Folder;
use super::{regular_file, storage_error};

/// A place in the queue of those who write the same data. It is a courtesy, no lock of the data: whoever
/// does not get the turn in time goes on without.
#[derive(Debug)]
pub struct WriteLock {
    path: PathBuf,
    file: Arc<File>,
    /// To the thread that waits, which is started when there is something to wait for.
    waiting: OnceLock<Option<Sender<Request>>>,
    /// That thread waits for a turn that nobody here wants any more.
    stuck: Arc<AtomicBool>,
}

type Request = Sender<WriteLockGuard>;

/// It is our turn, until this is dropped.
#[derive(Debug)]
pub struct WriteLockGuard(Arc<File>);

impl WriteLock {
    /// A place of one's own: two of one process queue as those of two processes do.
    ///
    /// # Errors
    ///
    /// Of kind [`ErrorKind::Storage`](omniq_core::ErrorKind::Storage) if its file can't be used.
    pub fn open(folder: &Folder) -> Result<Self> {
        let path = folder.turn();
        let unusable = |e| storage_error(format!("{} can't be used", path.display()), e);
        let file = Arc::new(open(&path).map_err(unusable)?);
        folder.share(&path);
        Ok(Self {
            path,
            file,
            waiting: OnceLock::new(),
            stuck: Arc::default(),
        })
    }

    /// Waits for the turn. `None` if it takes longer than this: whoever has it may have been stopped, which
    /// must not stop others. For as long as that lasts, later calls don't wait.
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

    /// A turn that comes too late is dropped with its channel, and so is passed on.
    fn wait(
        &self,
        granted: &Receiver<WriteLockGuard>,
        patience: Duration,
    ) -> Option<WriteLockGuard> {
        match granted.recv_timeout(patience) {
            Ok(taken) => return Some(taken),
            Err(RecvTimeoutError::Disconnected) => return None,
            Err(RecvTimeoutError::Timeout) => self.stuck.store(true, Ordering::SeqCst),
        }
        // The thread answers first and then says that it is free, which it may have done just before.
        let late = granted.try_recv();
        if !matches!(late, Err(TryRecvError::Empty)) {
            self.stuck.store(false, Ordering::SeqCst);
        }
        late.ok()
    }

    /// The system has no wait for a lock that ends after some time, so a thread waits.
    fn start(&self) -> io::Result<Sender<Request>> {
        let file = Arc::new(open(&self.path)?);
        let (sender, requests) = channel::<Request>();
        let stuck = self.stuck.clone();
        let work = move || {
            for request in requests {
                if file.lock().is_ok() {
                    // Whoever gave up waiting does not take it: then it is let go.
                    let _ = request.send(WriteLockGuard(file.clone()));
                }
                drop(request);
                stuck.store(false, Ordering::SeqCst);
            }
        };
        let thread = thread::Builder::new().name("omniq-turn".into());
        thread.spawn(work).map(|_| sender)
    }
}

impl Drop for WriteLockGuard {
    fn drop(&mut self) {
        // What can't be unlocked is unlocked when it is closed.
        let _ = self.0.unlock();
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut making = OpenOptions::new();
    making.read(true).write(true).create(true).truncate(false);
    regular_file::open(&mut making, path)
}
