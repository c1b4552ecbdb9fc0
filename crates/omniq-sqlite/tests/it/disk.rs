//! Simulates the disk of one database: it can fail or block on command, and counts what it was asked to do.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::task::Wake;
use std::time::Duration;

use rusqlite::ffi;

use crate::fault_vfs;

/// The longest time that a test waits for anything.
pub(crate) const CEILING: Duration = Duration::from_secs(20);

static DISKS: LazyLock<Mutex<HashMap<PathBuf, Arc<Disk>>>> = LazyLock::new(Mutex::default);

/// The disk of one database.
#[derive(Default)]
pub(crate) struct Disk {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    sync: Fault,
    write: Fault,
    open: Fault,
    shares_no_memory: bool,
    closed: bool,
    passes: u64,
    blocked: u64,
    woken: bool,
    syncs: u64,
    closes: u64,
    flushed: HashMap<Part, Vec<u8>>,
}

/// The kind of a database's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Part {
    Main,
    Wal,
    Other,
}

/// Makes calls fail after some that succeed, until it is healed, or only once.
#[derive(Default, Clone, Copy)]
struct Fault {
    code: Option<i32>,
    successes_left: u64,
    once: bool,
}

impl Fault {
    /// Counts a call. Returns the code with which it fails, if it does.
    fn next_code(&mut self) -> Option<i32> {
        let code = self.code?;
        if self.successes_left == 0 {
            if self.once {
                self.code = None;
            }
            return Some(code);
        }
        self.successes_left -= 1;
        None
    }
}

impl Disk {
    /// Returns the disk of the database at `path`, whose folder exists. Must be called before the database is opened.
    pub(crate) fn under(path: &Path) -> Arc<Self> {
        fault_vfs::install();
        let folder = path.parent().unwrap().canonicalize().unwrap();
        let key = folder.join(path.file_name().unwrap());
        let mut disks = DISKS.lock().unwrap_or_else(PoisonError::into_inner);
        disks.entry(key).or_default().clone()
    }

    /// Returns the disk of a file that SQLite opens, and the kind of the file.
    pub(crate) fn of_file(name: &str) -> (Option<Arc<Self>>, Part) {
        let disks = DISKS.lock().unwrap_or_else(PoisonError::into_inner);
        let (main, part) = match name.strip_suffix("-wal") {
            Some(main) => (main, Part::Wal),
            None => (name, Part::Main),
        };
        match disks.get(Path::new(main)) {
            Some(disk) => (Some(disk.clone()), part),
            None => (None, Part::Other),
        }
    }

    /// Makes flushes of the `-wal` fail after `good` more that succeed.
    pub(crate) fn fail_syncs_after(&self, good: u64) {
        let code = Some(ffi::SQLITE_IOERR_FSYNC);
        self.lock().sync = Fault {
            code,
            successes_left: good,
            once: false,
        };
    }

    /// Makes one flush of the `-wal` fail after `good` more that succeed.
    pub(crate) fn fail_one_sync_after(&self, good: u64) {
        let code = Some(ffi::SQLITE_IOERR_FSYNC);
        self.lock().sync = Fault {
            code,
            successes_left: good,
            once: true,
        };
    }

    /// Returns whether a flush will still fail.
    #[allow(dead_code, reason = "the tests of the worker pool use it")]
    pub(crate) fn has_a_flush_to_fail(&self) -> bool {
        self.lock().sync.code.is_some()
    }

    /// Makes writes to the `-wal` fail with `code` after `good` more that succeed.
    pub(crate) fn fail_writes_after(&self, good: u64, code: i32) {
        let code = Some(code);
        self.lock().write = Fault {
            code,
            successes_left: good,
            once: false,
        };
    }

    /// Makes opening the database fail.
    pub(crate) fn fail_opening(&self) {
        let code = Some(ffi::SQLITE_CANTOPEN);
        self.lock().open = Fault {
            code,
            ..Fault::default()
        };
    }

    /// Makes files that are opened from now on offer no shared memory, as on a network file system.
    pub(crate) fn share_no_memory(&self) {
        self.lock().shares_no_memory = true;
    }

    pub(crate) fn shares_memory(&self) -> bool {
        !self.lock().shares_no_memory
    }

    /// Makes all calls succeed again.
    pub(crate) fn heal(&self) {
        let mut state = self.lock();
        (state.sync, state.write, state.open) = Default::default();
    }

    /// Makes flushes of the `-wal` wait until the gate is dropped or [`pass_one`](Self::pass_one) is called.
    #[must_use]
    pub(crate) fn close_gate(self: &Arc<Self>) -> Gate {
        self.lock().closed = true;
        Gate(self.clone())
    }

    /// Lets one flush through.
    pub(crate) fn pass_one(&self) {
        self.lock().passes += 1;
        self.changed.notify_all();
    }

    /// Waits until a flush waits at the gate.
    pub(crate) fn wait_until_blocked(&self) {
        drop(self.wait_for("a flush at the gate", |state| state.blocked > 0));
    }

    /// Waits until a flush waits at the gate (returns true), or a future that was polled with this as its
    /// waker is ready (returns false).
    pub(crate) fn wait_until_blocked_or_woken(&self) -> bool {
        let mut state = self.wait_for("a flush or an answer", |s| s.blocked > 0 || s.woken);
        state.woken = false;
        state.blocked > 0
    }

    /// Waits until this many connections were closed.
    pub(crate) fn wait_until_closed(&self, connections: u64) {
        drop(self.wait_for("connections to be closed", |s| s.closes >= connections));
    }

    /// Returns how many connections were closed.
    pub(crate) fn closes(&self) -> u64 {
        self.lock().closes
    }

    /// Returns how often the `-wal` was flushed.
    pub(crate) fn syncs(&self) -> u64 {
        self.lock().syncs
    }

    /// Returns the content of the file that would survive a power cut now.
    pub(crate) fn flushed(&self, part: Part) -> Option<Vec<u8>> {
        self.lock().flushed.get(&part).cloned()
    }

    /// Counts a flush and waits at the gate. Returns the code with which the flush fails, if it does.
    pub(crate) fn on_sync(&self, part: Part) -> Option<i32> {
        if part != Part::Wal {
            return None;
        }
        let mut state = self.lock();
        state.syncs += 1;
        state.blocked += 1;
        self.changed.notify_all();
        while state.closed && state.passes == 0 {
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.passes = state.passes.saturating_sub(1);
        state.blocked -= 1;
        state.sync.next_code()
    }

    pub(crate) fn after_sync(&self, part: Part, content: Vec<u8>) {
        self.lock().flushed.insert(part, content);
    }

    pub(crate) fn on_write(&self, part: Part) -> Option<i32> {
        (part == Part::Wal)
            .then(|| self.lock().write.next_code())
            .flatten()
    }

    pub(crate) fn on_open(&self, part: Part) -> Option<i32> {
        (part == Part::Main)
            .then(|| self.lock().open.next_code())
            .flatten()
    }

    pub(crate) fn on_close(&self, part: Part) {
        self.lock().closes += u64::from(part == Part::Main);
        self.changed.notify_all();
    }

    fn wait_for(&self, what: &str, reached: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let (state, result) = self
            .changed
            .wait_timeout_while(self.lock(), CEILING, |state| !reached(state))
            .unwrap_or_else(PoisonError::into_inner);
        assert!(!result.timed_out(), "there was no {what} in time");
        state
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Disk {
    fn wake(self: Arc<Self>) {
        self.lock().woken = true;
        self.changed.notify_all();
    }
}

/// Holds flushes back until it is dropped. A test that panics drops it, so that the writer can end.
pub(crate) struct Gate(Arc<Disk>);

impl Drop for Gate {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        (state.closed, state.passes) = (false, 0);
        drop(state);
        self.0.changed.notify_all();
    }
}
