//! What writers of storages use: the [`Storage`] trait and its types.
//!
//! Programs that only use queues and workers need nothing of it but
//! [`open_storage`](crate::open_storage) and the storages themselves. See
//! [`omniq_core::storage`] for how stable it is: it may change until OmniQ 1.0.

pub use omniq_core::storage::*;
pub use omniq_core::{
    Change, Completes, CoreSettings, Due, NewTask, Outcome, OwnerId, Storage, lifecycle, settle,
};
