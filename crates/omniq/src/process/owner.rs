//! The owner id under which this process holds leases.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, PoisonError};

use omniq_core::OwnerId;

use super::identity::Process;

/// Returns the owner id of all leases of this process. It is a random number, drawn once; a forked child draws its own.
pub(crate) fn this_process() -> OwnerId {
    static OWNER: Mutex<Option<(Process, OwnerId)>> = Mutex::new(None);
    let process = Process::current();
    let mut owner = OWNER.lock().unwrap_or_else(PoisonError::into_inner);
    match *owner {
        Some((drawn_by, owner)) if drawn_by == process => owner,
        _ => owner.insert((process, random_owner(process))).1,
    }
}

fn random_owner(process: Process) -> OwnerId {
    loop {
        let number = fastrand::u64(..) ^ RandomState::new().hash_one(process.salt());
        if let Some(owner) = OwnerId::from_i64((number >> 1) as i64) {
            return owner;
        }
    }
}
