use std::any::Any;
use std::fmt;
use std::sync::{Arc, Mutex};

use omniq_core::Storage;

/// A storage that sits the exam, empty at the beginning of each question.
pub struct Subject {
    /// The storage.
    pub storage: Arc<dyn Storage>,
    second: Option<Arc<dyn Storage>>,
    // Last, so that it outlives the storages.
    kept: Vec<Mutex<Box<dyn Any + Send>>>,
}

impl Subject {
    /// A storage with one handle.
    pub fn new(storage: Arc<dyn Storage>) -> Self {
        Self {
            storage,
            second: None,
            kept: Vec::new(),
        }
    }

    /// With a second, independent handle on the same data, such as another connection.
    #[must_use]
    pub fn second(mut self, storage: Arc<dyn Storage>) -> Self {
        self.second = Some(storage);
        self
    }

    /// With something that must live as long as the storage, such as its folder.
    #[must_use]
    pub fn keep(mut self, guard: impl Any + Send) -> Self {
        self.kept.push(Mutex::new(Box::new(guard)));
        self
    }

    /// The second handle; the first where there is but one.
    pub(crate) fn other(&self) -> Arc<dyn Storage> {
        Arc::clone(self.second.as_ref().unwrap_or(&self.storage))
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject")
            .field("second", &self.second.is_some())
            .field("kept", &self.kept.len())
            .finish_non_exhaustive()
    }
}
