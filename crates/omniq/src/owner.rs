//! Who this process is to a storage.

use std::sync::OnceLock;

use omniq_core::OwnerId;

/// The owner of every lease that this process takes: drawn at random, once.
pub(crate) fn this_process() -> OwnerId {
    static OWNER: OnceLock<OwnerId> = OnceLock::new();
    *OWNER.get_or_init(|| {
        loop {
            if let Some(owner) = OwnerId::from_i64(fastrand::i64(1..)) {
                return owner;
            }
        }
    })
}
