//! Who this process is to a storage.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, PoisonError};

use omniq_core::OwnerId;

use super::Process;

/// The owner of every lease that this process takes: drawn at random, once. A forked child draws its own.
pub(crate) fn this_process() -> OwnerId {
    static OWNER: Mutex<Option<(Process, OwnerId)>> = Mutex::new(None);
    let process = Process::current();
    let mut owner = OWNER.lock().unwrap_or_else(PoisonError::into_inner);
    match *owner {
        Some((whose, owner)) if whose == process => owner,
        _ => owner.insert((process, draw(process))).1,
    }
}

fn draw(process: Process) -> OwnerId {
    loop {
        let drawn = fastrand::u64(..) ^ RandomState::new().hash_one(process.salt());
        if let Some(owner) = OwnerId::from_i64((drawn >> 1) as i64) {
            return owner;
        }
    }
}
