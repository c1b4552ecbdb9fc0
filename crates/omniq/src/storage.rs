//! The [`Storage`] trait and its types, for authors of storages.
//!
//! Programs that only use queues and workers do not need this module: [`open_storage`](crate::open_storage) and the
//! storages themselves are enough. It may change until OmniQ 1.0: see [`omniq_core::storage`].

pub use omniq_core::storage::*;
pub use omniq_core::{
    Change, Completes, CoreSettings, Due, NewTask, Outcome, OwnerId, Storage, lifecycle, settle,
};
