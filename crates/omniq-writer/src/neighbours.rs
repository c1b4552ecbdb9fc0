//! The other processes that use the same data: notifies them, detects that they have died, and queues with them
//! for writing.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use omniq_core::OwnerId;
use omniq_core::storage::{Lease, Signal};
use tokio::sync::broadcast;

use crate::dead_owners::DeadOwners;
use crate::inbox::Inbox;
use crate::ipc::{
    DeadOwner, Doorbell, Folder, Heard, OwnerState, Presence, Started, WriteLock, WriteLockGuard,
};
use crate::mutex::{read, write};
use crate::shared_data::SharedData;

/// The longest wait for the write lock: twice the longest wait that was measured with forty writers that never pause.
const WRITE_LOCK_PATIENCE: Duration = Duration::from_secs(1);

/// The neighbours of data that processes share. Without them, the safety check finds the work and leases decide.
#[derive(Default)]
pub(crate) struct Neighbours {
    /// `None` if no other process shares the data, if they can't be seen, and after [`close`](Self::close).
    link: RwLock<Option<Link>>,
    idle: Arc<DeadOwners>,
    /// An owner has exited, and the writer has not noticed yet.
    owner_exited: Arc<AtomicBool>,
}

/// What connects this process with the others.
struct Link {
    folder: Folder,
    bell: Option<Doorbell>,
    write_lock: Option<WriteLock>,
    /// The owners of this process; `None` for one whose presence could not be shown.
    entered: RwLock<HashMap<OwnerId, Option<Presence>>>,
}

impl Neighbours {
    /// Opens the folder beside the data, and listens for its bell.
    pub(crate) fn open<T: Send + 'static>(
        shared: SharedData<'_>,
        inbox: &Arc<Inbox<T>>,
        signals: &broadcast::Sender<Signal>,
    ) -> Self {
        let folder = match Folder::open(shared.data, shared.identity) {
            Ok(folder) => match shared.arrivals {
                Some(arrivals) => folder.with_arrivals(arrivals),
                None => folder,
            },
            Err(error) => {
                let storage = shared.data.display();
                tracing::warn!(%storage, reason = %error.chain(), "no doorbell, no presence");
                return Self::default();
            }
        };
        let neighbours = Self::default();
        let listener = neighbours.listener(inbox, signals);
        let bell = Doorbell::open(&folder, listener)
            .inspect_err(|error| tracing::warn!(error = %error.chain(), "no doorbell"))
            .ok();
        let write_lock = WriteLock::open(&folder)
            .inspect_err(|error| {
                tracing::warn!(error = %error.chain(), "writers of other processes don't queue");
            })
            .ok();
        let link = Link {
            folder,
            bell,
            write_lock,
            entered: RwLock::default(),
        };
        *write(&neighbours.link) = Some(link);
        neighbours
    }

    /// Returns the callback for what the doorbell hears.
    fn listener<T: Send + 'static>(
        &self,
        inbox: &Arc<Inbox<T>>,
        signals: &broadcast::Sender<Signal>,
    ) -> impl Fn(Heard) + Send + Sync + 'static {
        let (inbox, signals) = (Arc::downgrade(inbox), signals.clone());
        let (idle, owner_exited) = (self.idle.clone(), self.owner_exited.clone());
        move |heard| {
            if heard == Heard::OwnerExited {
                idle.check_soon();
                // There may be no listener.
                let _ = signals.send(Signal::OwnerExited);
                owner_exited.store(true, Ordering::Release);
            }
            if let Some(inbox) = inbox.upgrade() {
                inbox.nudge();
            }
        }
    }

    /// Closes the doorbell and the write lock, and removes the files of this process's owners.
    pub(crate) fn close(&self) {
        let link = write(&self.link).take();
        drop(link);
    }

    /// Queues with the writers of other processes. They wait until the guard is dropped.
    pub(crate) fn write_lock(&self) -> Option<WriteLockGuard> {
        let link = read(&self.link);
        link.as_ref()?
            .write_lock
            .as_ref()?
            .take(WRITE_LOCK_PATIENCE)
    }

    /// Notifies the other processes.
    pub(crate) fn ring(&self) {
        if let Some(Link {
            bell: Some(bell), ..
        }) = &*read(&self.link)
        {
            bell.ring();
        }
    }

    /// Whether dead owners can be detected, but no event reports their exit.
    pub(crate) fn must_poll_owners(&self) -> bool {
        match &*read(&self.link) {
            Some(link) => !link.bell.as_ref().is_some_and(Doorbell::hears_owners),
            None => false,
        }
    }

    /// Whether an owner may have exited since the last call.
    pub(crate) fn take_owner_exited(&self) -> bool {
        self.owner_exited.swap(false, Ordering::AcqRel)
    }

    /// Shows that this owner is alive, before it claims for the first time.
    pub(crate) fn enter(&self, owner: OwnerId) {
        let link = read(&self.link);
        let Some(link) = &*link else { return };
        if read(&link.entered).contains_key(&owner) {
            return;
        }
        write(&link.entered).entry(owner).or_insert_with(|| {
            Presence::enter(&link.folder, owner)
                .inspect_err(|error| {
                    tracing::warn!(error = %error.chain(), "no presence: leases alone decide");
                })
                .ok()
        });
    }

    /// Records that a task of this owner starts.
    pub(crate) fn mark_started(&self, owner: OwnerId, seat: usize, lease: Lease) {
        let link = read(&self.link);
        let Some(link) = &*link else { return };
        if let Some(Some(presence)) = read(&link.entered).get(&owner) {
            presence.record_started(seat, lease);
        }
    }

    /// Returns what an owner that may still be alive had started, as far as it is known.
    pub(crate) fn started_by(&self, owner: OwnerId) -> Option<Started> {
        let link = read(&self.link);
        Some(Started::by(&link.as_ref()?.folder, owner))
    }

    /// Returns those of these owners whose process is dead.
    pub(crate) fn dead(&self, owners: &HashSet<OwnerId>) -> HashMap<OwnerId, DeadOwner> {
        match &*read(&self.link) {
            Some(link) => link.dead(owners),
            None => HashMap::new(),
        }
    }

    /// Removes the files of dead owners that hold nothing any more, from time to time.
    pub(crate) fn forget_idle(&self, holders: &HashSet<OwnerId>, monotonic: Duration) {
        let link = read(&self.link);
        let Some(link) = &*link else { return };
        self.idle.check(monotonic, || {
            let owners = Presence::owners(&link.folder).unwrap_or_default();
            let idle = owners.into_iter().filter(|owner| !holders.contains(owner));
            link.dead(&idle.collect())
        });
    }

    /// Lets the next [`forget_idle`](Self::forget_idle) check without a pause: there are dead owners that still hold something,
    /// and are to be forgotten once that is settled.
    pub(crate) fn forget_soon(&self) {
        self.idle.check_soon();
    }
}

impl Link {
    /// Returns those of these owners whose process is dead. The owners of this process are skipped: opening a file
    /// is an event that wakes every process.
    fn dead(&self, owners: &HashSet<OwnerId>) -> HashMap<OwnerId, DeadOwner> {
        let entered = read(&self.entered);
        let others = owners
            .iter()
            .filter(|owner| !matches!(entered.get(owner), Some(Some(_))));
        let check = |owner: &OwnerId| match OwnerState::of(&self.folder, *owner) {
            OwnerState::Dead(dead) => Some((*owner, dead)),
            _ => None,
        };
        others.filter_map(check).collect()
    }
}
