//! The trait of the two stores, which the writer writes to.

/// A stored task.
pub struct Row {
    pub payload: Vec<u8>,
    /// The task has a name that no worker claims.
    pub foreign: bool,
    /// The task is due in a day.
    pub future: bool,
}

/// A claimed task.
pub struct Claim {
    pub id: i64,
    pub payload: Vec<u8>,
}

pub trait Store: Send + 'static {
    fn begin(&mut self);
    fn insert(&mut self, row: Row);
    /// Records the success of a claimed task.
    fn settle(&mut self, id: i64);
    /// Claims the next due tasks, by priority and eta.
    fn claim(&mut self, wanted: usize) -> Vec<Claim>;
    fn commit(&mut self);
    /// Returns the number of successes.
    fn succeeded(&mut self) -> u64;
}
