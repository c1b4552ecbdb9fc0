//! What the writer writes to.

/// A task as it is stored.
pub struct Row {
    pub payload: Vec<u8>,
    /// Of a name that no worker asks for.
    pub foreign: bool,
    /// Due in a day.
    pub future: bool,
}

/// A task as it is handed out.
pub struct Claim {
    pub id: i64,
    pub payload: Vec<u8>,
}

pub trait Store: Send + 'static {
    fn begin(&mut self);
    fn insert(&mut self, row: Row);
    /// The success of a claimed task.
    fn settle(&mut self, id: i64);
    /// The next due tasks, by priority and eta.
    fn claim(&mut self, wanted: usize) -> Vec<Claim>;
    fn commit(&mut self);
    fn succeeded(&mut self) -> u64;
}
