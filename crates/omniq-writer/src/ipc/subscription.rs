//! One folder's bell in this process, and the listeners that it calls.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::folder::Folder;
use super::log_once::LogOnce;
use super::write_at::write_at;
use crate::mutex::lock;

/// A callback that is called with each event.
pub(crate) type Listener = Arc<dyn Fn(Heard) + Send + Sync>;

/// What a [`Doorbell`](super::Doorbell) hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Heard {
    /// The bell was rung, or a file arrived in the folder for that: read the data again.
    Rung,
    /// An owner's process may have exited: check the owners. The operating system may release its lock a moment
    /// later, so check again soon.
    OwnerExited,
}

pub(crate) struct Subscription {
    folder: Folder,
    listeners: Mutex<HashMap<u64, Listener>>,
    bell: Mutex<Bell>,
    /// The folder was deleted and is no longer watched.
    unwatched: AtomicBool,
    /// The folder of the owners is watched.
    hears_owners: AtomicBool,
    ringing: LogOnce,
    watching_owners: LogOnce,
    watching_arrivals: LogOnce,
}

struct Bell {
    /// `None` from when the bell was deleted or replaced until the next ring.
    file: Option<File>,
    /// Changes with each ring, for operating systems that report changes and not writes.
    next: u8,
}

impl Subscription {
    pub(crate) fn open(folder: &Folder) -> io::Result<Self> {
        let file = Some(folder.open_bell()?);
        let next = fastrand::u8(..);
        Ok(Self {
            folder: folder.clone(),
            listeners: Mutex::default(),
            bell: Mutex::new(Bell { file, next }),
            unwatched: AtomicBool::new(false),
            hears_owners: AtomicBool::new(false),
            ringing: LogOnce::default(),
            watching_owners: LogOnce::default(),
            watching_arrivals: LogOnce::default(),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The folder of the owners.
    pub(crate) fn owners(&self) -> &Path {
        self.folder.owners()
    }

    /// The folder that files arrive in, if there is one.
    pub(crate) fn arrivals(&self) -> Option<&Path> {
        self.folder.arrivals()
    }

    pub(crate) fn ring(&self) {
        let written = self.write_bell();
        self.ringing
            .log("ringing the doorbell", self.path(), written);
    }

    fn write_bell(&self) -> io::Result<()> {
        let mut bell = lock(&self.bell);
        let Bell { file, next } = &mut *bell;
        let file = match file {
            Some(file) => file,
            missing => missing.insert(self.folder.open_bell()?),
        };
        *next = next.wrapping_add(1);
        write_at(file, &[*next], 0)
    }

    /// Calls all listeners. No lock is held meanwhile, so that they may ring, open and drop doorbells.
    pub(crate) fn notify(&self, heard: Heard) {
        let listeners: Vec<Listener> = lock(&self.listeners).values().cloned().collect();
        for listener in listeners {
            // After a panic, the other listeners must still be called.
            if catch_unwind(AssertUnwindSafe(|| listener(heard))).is_err() {
                tracing::error!("a doorbell's callback panicked");
            }
        }
    }

    /// Closes the bell's file: as long as a deleted file is open, Linux does not report that its folder was
    /// deleted.
    pub(crate) fn close_bell(&self) {
        lock(&self.bell).file = None;
    }

    /// Records that the folder was deleted or moved, and whether it is watched again: another process may have
    /// created it again already.
    pub(crate) fn folder_was_replaced(&self, watched_again: bool) {
        self.close_bell();
        if self.unwatched.swap(!watched_again, Ordering::AcqRel) || watched_again {
            return;
        }
        let folder = self.path().display();
        tracing::warn!(%folder, "the folder of the doorbell was deleted: no ring is heard until the data is opened again");
    }

    /// Whether a watch on the folder has to be set up again.
    pub(crate) fn is_unwatched(&self) -> bool {
        self.unwatched.load(Ordering::Acquire)
    }

    /// Records that the folder is watched.
    pub(crate) fn set_watched(&self) {
        self.unwatched.store(false, Ordering::Release);
    }

    pub(crate) fn hears_owners(&self) -> bool {
        self.hears_owners.load(Ordering::Acquire) && !self.is_unwatched()
    }

    /// Records whether the folder of the owners, which can be deleted by itself, could be watched.
    pub(crate) fn set_owners_watched(&self, watched: io::Result<()>) {
        self.hears_owners.store(watched.is_ok(), Ordering::Release);
        self.watching_owners
            .log("watching for owners that exit", self.owners(), watched);
    }

    /// Records whether the folder that files arrive in could be watched. If not, the safety check finds them.
    pub(crate) fn set_arrivals_watched(&self, arrivals: &Path, watched: io::Result<()>) {
        self.watching_arrivals
            .log("watching for files that arrive", arrivals, watched);
    }

    pub(crate) fn add(&self, key: u64, listener: Listener) {
        lock(&self.listeners).insert(key, listener);
    }

    /// Removes a listener and returns it: it may own a doorbell, which must be dropped while no lock is held.
    pub(crate) fn remove(&self, key: u64) -> Option<Listener> {
        lock(&self.listeners).remove(&key)
    }

    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.listeners).is_empty()
    }
}
