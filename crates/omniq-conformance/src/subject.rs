//! The storage that takes the exam.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, Mutex};

use omniq_core::Storage;

/// A storage that takes the exam. It must be empty at the beginning of each question.
pub struct Subject {
    /// The storage.
    pub storage: Arc<dyn Storage>,
    second: Option<Arc<dyn Storage>>,
    // The last field, so that it is dropped after the storages.
    guards: Vec<Mutex<Box<dyn Any + Send>>>,
}

impl Subject {
    /// Returns a storage with one handle.
    pub fn new(storage: Arc<dyn Storage>) -> Self {
        Self {
            storage,
            second: None,
            guards: Vec::new(),
        }
    }

    /// Adds a second, independent handle on the same data, for example another connection.
    #[must_use]
    pub fn second(mut self, storage: Arc<dyn Storage>) -> Self {
        self.second = Some(storage);
        self
    }

    /// Adds a value that must live as long as the storage, for example its temporary folder.
    #[must_use]
    pub fn keep(mut self, guard: impl Any + Send) -> Self {
        self.guards.push(Mutex::new(Box::new(guard)));
        self
    }

    /// Returns the second handle, or the first if there is only one.
    pub(crate) fn other(&self) -> Arc<dyn Storage> {
        Arc::clone(self.second.as_ref().unwrap_or(&self.storage))
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject")
            .field("second", &self.second.is_some())
            .field("guards", &self.guards.len())
            .finish_non_exhaustive()
    }
}
