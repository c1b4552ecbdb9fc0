//! Runs the exam, with two handles on one file.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use omniq_conformance::Subject;
use omniq_core::CoreSettings;
use omniq_sqlite::SqliteStorage;

fn open() -> Subject {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("exam.db");
    let mut settings = CoreSettings::default();
    // One handle finds the changes of the other by polling, which should not make the exam slow.
    settings.poll_interval = Duration::from_millis(20);
    let first = SqliteStorage::open(&path, &settings).unwrap();
    let second = SqliteStorage::open(&path, &settings).unwrap();
    Subject::new(Arc::new(first))
        .second(Arc::new(second))
        .keep(folder)
}

omniq_conformance::suite!(open);
