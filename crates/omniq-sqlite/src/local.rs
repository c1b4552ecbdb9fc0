//! The other processes on this machine: ringing for them, and seeing which of them are gone.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use omniq_core::storage::Lease;
use omniq_core::{OwnerId, Result};
use omniq_local::{Doorbell, Folder, Gone, Presence, Standing, Started};
use rusqlite::Connection;

use crate::command::Command;
use crate::inbox::Inbox;
use crate::trouble::explain;

/// What there is for a database in a file. Without it, the safety check finds the work and leases decide.
#[derive(Default)]
pub(crate) struct Local {
    folder: Option<Folder>,
    bell: Option<Doorbell>,
    entered: RwLock<HashMap<OwnerId, Option<Presence>>>,
    /// Owners without leases that were gone at the last sweep.
    idle: Mutex<HashSet<OwnerId>>,
}

impl Local {
    /// Finds the folder beside the database, and listens for its bell.
    pub(crate) fn open(
        path: &Path,
        conn: &Connection,
        inbox: &Arc<Inbox<Command>>,
    ) -> Result<Self> {
        let id: String = conn
            .query_row(include_str!("sql/identity.sql"), [], |row| row.get(0))
            .map_err(|e| explain(path, "its identity can't be read", &e))?;
        let folder = match Folder::open(path, &id) {
            Ok(folder) => folder,
            Err(off) => {
                tracing::warn!(database = %path.display(), reason = %off, "no doorbell, no presence");
                return Ok(Self::default());
            }
        };
        let listener = Arc::downgrade(inbox);
        let heard = move || {
            if let Some(inbox) = listener.upgrade() {
                inbox.nudge();
            }
        };
        let bell = Doorbell::open(&folder, heard)
            .inspect_err(|error| tracing::warn!(%error, "no doorbell"))
            .ok();
        Ok(Self {
            folder: Some(folder),
            bell,
            ..Self::default()
        })
    }

    /// Tells the others to look.
    pub(crate) fn ring(&self) {
        if let Some(bell) = &self.bell {
            bell.ring();
        }
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
    pub(crate) fn started(&self, owner: OwnerId, seat: usize, lease: Lease) {
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

    /// Those of these owners whose process is gone.
    pub(crate) fn gone(&self, owners: &HashSet<OwnerId>) -> HashMap<OwnerId, Gone> {
        let Some(folder) = &self.folder else {
            return HashMap::new();
        };
        let look = |owner: &OwnerId| match Standing::of(folder, *owner) {
            Standing::Gone(gone) => Some((*owner, gone)),
            _ => None,
        };
        owners.iter().filter_map(look).collect()
    }

    /// Forgets the gone that hold nothing any more. What they hold was read a moment ago, and they may
    /// have claimed since and died: so only those that were like that at the last sweep already.
    pub(crate) fn forget_idle(&self, holders: &HashSet<OwnerId>) {
        let Some(folder) = &self.folder else { return };
        let owners = Presence::owners(folder).unwrap_or_default();
        let idle: HashSet<_> = owners
            .into_iter()
            .filter(|o| !holders.contains(o))
            .collect();
        let mut before = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let twice: HashSet<_> = self
            .gone(&idle)
            .into_iter()
            .filter_map(|(owner, gone)| {
                if before.contains(&owner) {
                    gone.forget();
                    None
                } else {
                    Some(owner)
                }
            })
            .collect();
        *before = twice;
    }
}
