//! Dead owners that hold nothing: when to search for their files, and when to remove them.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use omniq_core::OwnerId;

use crate::ipc::DeadOwner;
use crate::mutex::lock;

/// How often to check without an event, for owners that died without any lease. A check reads a folder that every
/// process watches, and so wakes them all.
const EVERY: Duration = Duration::from_secs(60);

#[derive(Default)]
pub(crate) struct DeadOwners {
    soon: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    last_check: Option<Duration>,
    /// The owners that the last check found dead and idle.
    dead: HashSet<OwnerId>,
}

impl DeadOwners {
    /// Makes the next [`check`](Self::check) search.
    pub(crate) fn check_soon(&self) {
        self.soon.store(true, Ordering::Relaxed);
    }

    /// Searches for dead idle owners, if it is time, and removes the files of some. What they hold was read a
    /// moment ago, and they may have claimed and died since then: so it removes only those that the previous
    /// check found as well.
    pub(crate) fn check(
        &self,
        monotonic: Duration,
        find: impl FnOnce() -> HashMap<OwnerId, DeadOwner>,
    ) {
        let mut state = lock(&self.state);
        let is_due = match state.last_check {
            Some(last) => monotonic.saturating_sub(last) >= EVERY,
            None => true,
        };
        let soon = self.soon.swap(false, Ordering::Relaxed);
        if !soon && !is_due && state.dead.is_empty() {
            return;
        }
        state.last_check = Some(monotonic);
        let found_before = std::mem::take(&mut state.dead);
        for (owner, dead) in find() {
            if found_before.contains(&owner) {
                dead.forget();
            } else {
                state.dead.insert(owner);
            }
        }
    }
}
