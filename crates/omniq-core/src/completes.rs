//! The completion of an execution in a transaction of the application.

use serde::Serialize;

use crate::{Change, Result, Timestamp};

/// An execution whose success a storage can write in a transaction of the application: `TaskContext` and
/// `Claim` of the crate `omniq`.
pub trait Completes {
    /// Returns the write that records the success with this value, and the time of the write. This records
    /// nothing itself, so it may be called again if the transaction is rolled back.
    ///
    /// # Errors
    ///
    /// Of kind [`Serialization`](crate::ErrorKind::Serialization), if the value can't be serialized or is
    /// larger than the limit.
    fn success<T: Serialize + ?Sized>(&self, value: &T) -> Result<(Change, Timestamp)>;
}
