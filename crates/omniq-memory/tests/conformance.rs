//! The exam that every storage must pass.

use std::sync::Arc;

use omniq_conformance::Subject;
use omniq_memory::MemoryStorage;

fn open() -> Subject {
    Subject::new(Arc::new(MemoryStorage::new()))
}

omniq_conformance::suite!(open);
