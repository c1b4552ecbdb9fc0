//! Owners that are gone and hold nothing: when their files are looked for, and when they go.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::ipc::DeadOwner;
use omniq_core::OwnerId;

/// A look reads a folder that every process watches, and so wakes them all. Between news it is made for
/// what other processes left behind when they died without any lease.
const EVERY: Duration = Duration::from_secs(60);

#[derive(Default)]
pub(crate) struct Idle {
    soon: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// When the last look was.
    looked: Option<Duration>,
    /// Who was gone then.
    gone: HashSet<OwnerId>,
}

impl Idle {
    /// The next sweep has reason to look.
    pub(crate) fn look_soon(&self) {
        self.soon.store(true, Ordering::Relaxed);
    }

    /// Finds the idle that are gone, if it is time, and forgets some. What they hold was read a moment ago,
    /// and they may have claimed since and died: so only those that were like that at the last look already.
    pub(crate) fn look(
        &self,
        monotonic: Duration,
        find: impl FnOnce() -> HashMap<OwnerId, DeadOwner>,
    ) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let a_while_ago = state
            .looked
            .is_none_or(|looked| monotonic.saturating_sub(looked) >= EVERY);
        let soon = self.soon.swap(false, Ordering::Relaxed);
        if !soon && !a_while_ago && state.gone.is_empty() {
            return;
        }
        state.looked = Some(monotonic);
        let seen_before = std::mem::take(&mut state.gone);
        for (owner, gone) in find() {
            if seen_before.contains(&owner) {
                gone.forget();
            } else {
                state.gone.insert(owner);
            }
        }
    }
}
