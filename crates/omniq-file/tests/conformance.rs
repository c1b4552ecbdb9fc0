//! The exam, with two handles to one folder.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use omniq_conformance::Subject;
use omniq_core::CoreSettings;
use omniq_file::FileStorage;

fn open() -> Subject {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("exam");
    let mut settings = CoreSettings::default();
    // Changes of the other handle may be found by polling; the exam should not wait long for them.
    settings.poll_interval = Duration::from_millis(20);
    let first = FileStorage::open(&path, &settings).unwrap();
    let second = FileStorage::open(&path, &settings).unwrap();
    Subject::new(Arc::new(first))
        .second(Arc::new(second))
        .keep(folder)
}

omniq_conformance::suite!(open);
