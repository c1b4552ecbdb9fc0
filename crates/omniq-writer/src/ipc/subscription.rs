//! One folder's bell in this process, and who listens to it.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use super::doorbell::{Heard, Listener};
use super::folder::Folder;
use super::lock;
use super::log_once::LogOnce;
use super::write_at::write_at;

pub(crate) struct Subscription {
    folder: Folder,
    hearers: Mutex<HashMap<u64, Listener>>,
    bell: Mutex<Bell>,
    /// The folder was deleted: it is not watched any more.
    deaf: AtomicBool,
    /// The folder of the owners is watched.
    hears_owners: AtomicBool,
    ringing: LogOnce,
    watching_owners: LogOnce,
    watching_arrivals: LogOnce,
}

struct Bell {
    /// DeadOwner when the bell was deleted or replaced, until the next ring.
    file: Option<File>,
    /// Changes with each ring, for systems that report changes and not writes.
    next: u8,
}

impl Subscription {
    pub(crate) fn open(folder: &Folder) -> io::Result<Self> {
        let file = Some(folder.open_bell()?);
        let next = fastrand::u8(..);
        Ok(Self {
            folder: folder.clone(),
            hearers: Mutex::default(),
            bell: Mutex::new(Bell { file, next }),
            deaf: AtomicBool::new(false),
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

    pub(crate) fn ring(&self) {
        let rung = self.strike();
        self.ringing
            .about("ringing the doorbell", self.path(), rung);
    }

    fn strike(&self) -> io::Result<()> {
        let mut bell = lock(&self.bell);
        let Bell { file, next } = &mut *bell;
        let file = match file {
            Some(file) => file,
            gone => gone.insert(self.folder.open_bell()?),
        };
        *next = next.wrapping_add(1);
        write_at(file, &[*next], 0)
    }

    /// Calls everybody who listens. No lock is held meanwhile, so that they may ring, open and drop.
    pub(crate) fn tell(&self, heard: Heard) {
        let hearers: Vec<Listener> = lock(&self.hearers).values().cloned().collect();
        for hearer in hearers {
            // One that panics must not make the others deaf.
            if catch_unwind(AssertUnwindSafe(|| hearer(heard))).is_err() {
                tracing::error!("a doorbell's callback panicked");
            }
        }
    }

    /// Closes it at once: while a deleted file is open, Linux does not tell that its folder was deleted.
    pub(crate) fn bell_was_replaced(&self) {
        lock(&self.bell).file = None;
    }

    /// The folder was deleted or moved. Whoever makes it again may have done so already.
    pub(crate) fn folder_was_replaced(&self, watched_again: bool) {
        self.bell_was_replaced();
        if self.deaf.swap(!watched_again, Ordering::AcqRel) || watched_again {
            return;
        }
        let folder = self.path().display();
        tracing::warn!(%folder, "it was deleted: no doorbell is heard until the data is opened again");
    }

    /// Whether the folder must be watched anew.
    pub(crate) fn is_deaf(&self) -> bool {
        self.deaf.load(Ordering::Acquire)
    }

    pub(crate) fn hears_owners(&self) -> bool {
        self.hears_owners.load(Ordering::Acquire) && !self.is_deaf()
    }

    /// What came of watching the folder of the owners, which can be deleted by itself.
    pub(crate) fn owners_are_watched(&self, watched: io::Result<()>) {
        self.hears_owners.store(watched.is_ok(), Ordering::Release);
        let what = "watching for owners that leave";
        self.watching_owners.about(what, self.owners(), watched);
    }

    /// The folder that files arrive in, if there is one.
    pub(crate) fn arrivals(&self) -> Option<&Path> {
        self.folder.arrivals()
    }

    /// What came of watching it. Without it, the safety check finds what arrives.
    pub(crate) fn arrivals_are_watched(&self, arrivals: &Path, watched: io::Result<()>) {
        let what = "watching for files that arrive";
        self.watching_arrivals.about(what, arrivals, watched);
    }

    pub(crate) fn hears(&self) {
        self.deaf.store(false, Ordering::Release);
    }

    pub(crate) fn add(&self, key: u64, hearer: Listener) {
        lock(&self.hearers).insert(key, hearer);
    }

    /// The callback is handed back: what it owns may be a doorbell, to be dropped under no lock.
    pub(crate) fn remove(&self, key: u64) -> Option<Listener> {
        lock(&self.hearers).remove(&key)
    }

    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.hearers).is_empty()
    }
}
