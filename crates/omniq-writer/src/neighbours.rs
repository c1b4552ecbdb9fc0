//! The other processes on this machine: ringing for them, seeing which of them are gone, and taking turns.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use crate::ipc::{
    DeadOwner, Doorbell, Folder, Heard, OwnerState, Presence, Started, WriteLock, WriteLockGuard,
};
use omniq_core::OwnerId;
use omniq_core::storage::{Lease, Signal};
use tokio::sync::broadcast;

use crate::idle::Idle;
use crate::inbox::Inbox;
use crate::writer::SharedData;

/// Forty writers that never pause wait for half of this at most.
const TURN_PATIENCE: Duration = Duration::from_secs(1);

/// What there is for data that processes share. Without it, the safety check finds the work and leases decide.
#[derive(Default)]
pub(crate) struct Neighbours {
    folder: Option<Folder>,
    bell: Option<Doorbell>,
    turn: Option<WriteLock>,
    entered: RwLock<HashMap<OwnerId, Option<Presence>>>,
    idle: Arc<Idle>,
    /// An owner left, and the writer does not know yet.
    left: Arc<AtomicBool>,
}

impl Neighbours {
    /// Finds the folder beside the data, and listens for its bell.
    pub(crate) fn open<T: Send + 'static>(
        home: SharedData<'_>,
        inbox: &Arc<Inbox<T>>,
        signals: &broadcast::Sender<Signal>,
    ) -> Self {
        let folder = match Folder::open(home.data, home.identity) {
            Ok(folder) => match home.arrivals {
                Some(arrivals) => folder.with_arrivals(arrivals),
                None => folder,
            },
            Err(off) => {
                tracing::warn!(storage = %home.data.display(), reason = %off, "no doorbell, no presence");
                return Self::default();
            }
        };
        let idle = Arc::new(Idle::default());
        let left = Arc::new(AtomicBool::new(false));
        let hearer = hearer(inbox, signals, &idle, &left);
        let bell = Doorbell::open(&folder, hearer)
            .inspect_err(|error| tracing::warn!(%error, "no doorbell"))
            .ok();
        let turn = WriteLock::open(&folder)
            .inspect_err(|error| tracing::warn!(%error, "writers of other processes don't queue"))
            .ok();
        Self {
            folder: Some(folder),
            bell,
            turn,
            idle,
            left,
            ..Self::default()
        }
    }

    /// Queues with the writers of other processes, for as long as what is returned is kept.
    pub(crate) fn turn(&self) -> Option<WriteLockGuard> {
        self.turn.as_ref()?.take(TURN_PATIENCE)
    }

    /// Tells the others to look.
    pub(crate) fn ring(&self) {
        if let Some(bell) = &self.bell {
            bell.ring();
        }
    }

    /// Whether owners can be seen to be gone, but nobody tells when they go.
    pub(crate) fn must_look(&self) -> bool {
        let told = self.bell.as_ref().is_some_and(Doorbell::hears_owners);
        self.folder.is_some() && !told
    }

    /// Whether an owner may have left since this was last asked.
    pub(crate) fn one_left(&self) -> bool {
        self.left.swap(false, Ordering::AcqRel)
    }

    /// Says that this owner is here, before it claims for the first time.
    pub(crate) fn enter(&self, owner: OwnerId) {
        let Some(folder) = &self.folder else { return };
        let known = |map: &HashMap<_, _>| map.contains_key(&owner);
        if known(&self.entered.read().unwrap_or_else(PoisonError::into_inner)) {
            return;
        }
        let mut entered = self.entered.write().unwrap_or_else(PoisonError::into_inner);
        entered.entry(owner).or_insert_with(|| {
            Presence::enter(folder, owner)
                .inspect_err(|error| tracing::warn!(%error, "no presence: leases alone decide"))
                .ok()
        });
    }

    /// Notes that a task of this owner starts.
    pub(crate) fn mark_started(&self, owner: OwnerId, seat: usize, lease: Lease) {
        let entered = self.entered.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(Some(presence)) = entered.get(&owner) {
            presence.note_started(seat, lease);
        }
    }

    /// What a silent owner had started, as far as it is known.
    pub(crate) fn notes_of(&self, owner: OwnerId) -> Option<Started> {
        self.folder
            .as_ref()
            .map(|folder| Started::by(folder, owner))
    }

    /// Those of these owners whose process is gone. Not this one: opening a file is an event that wakes
    /// every process.
    pub(crate) fn gone(&self, owners: &HashSet<OwnerId>) -> HashMap<OwnerId, DeadOwner> {
        let Some(folder) = &self.folder else {
            return HashMap::new();
        };
        let entered = self.entered.read().unwrap_or_else(PoisonError::into_inner);
        let others = owners
            .iter()
            .filter(|owner| !matches!(entered.get(owner), Some(Some(_))));
        let look = |owner: &OwnerId| match OwnerState::of(folder, *owner) {
            OwnerState::Dead(gone) => Some((*owner, gone)),
            _ => None,
        };
        others.filter_map(look).collect()
    }

    /// Now and then, forgets the gone that hold nothing any more.
    pub(crate) fn forget_idle(&self, holders: &HashSet<OwnerId>, monotonic: Duration) {
        let Some(folder) = &self.folder else { return };
        self.idle.look(monotonic, || {
            let owners = Presence::owners(folder).unwrap_or_default();
            let idle = owners.into_iter().filter(|one| !holders.contains(one));
            self.gone(&idle.collect())
        });
    }

    /// Owners that are gone and still hold something: once it is settled, they are to be forgotten.
    pub(crate) fn forget_soon(&self) {
        self.idle.look_soon();
    }
}

/// What to do about what the doorbell hears.
fn hearer<T: Send + 'static>(
    inbox: &Arc<Inbox<T>>,
    signals: &broadcast::Sender<Signal>,
    idle: &Arc<Idle>,
    left: &Arc<AtomicBool>,
) -> impl Fn(Heard) + Send + Sync + 'static {
    let (inbox, signals) = (Arc::downgrade(inbox), signals.clone());
    let (idle, left) = (idle.clone(), left.clone());
    move |heard| {
        if heard == Heard::OwnerExited {
            idle.look_soon();
            // There may be no listener.
            let _ = signals.send(Signal::OwnerExited);
            left.store(true, Ordering::Release);
        }
        if let Some(inbox) = inbox.upgrade() {
            inbox.nudge();
        }
    }
}
