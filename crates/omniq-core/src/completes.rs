use serde::Serialize;

use crate::{Change, Result, Timestamp};

/// An execution whose success a storage can write in a transaction of its user: `TaskContext` and `Claim`
/// of the crate `omniq`.
pub trait Completes {
    /// Its success with this value as the one write that records it, and the time of that write. Nothing is
    /// recorded yet, so that it may be asked for again if the transaction is rolled back.
    ///
    /// # Errors
    ///
    /// Of kind [`Serialization`](crate::ErrorKind::Serialization), if the value can't be written or is larger
    /// than the limit.
    fn success<T: Serialize + ?Sized>(&self, value: &T) -> Result<(Change, Timestamp)>;
}
