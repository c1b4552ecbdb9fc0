//! A database on a disk that fails on command, and a queue on it.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use omniq::{AsyncOmniQ, Settings, SettingsBuilder, SqliteStorage};
use tempfile::TempDir;

use crate::disk::{CEILING, Disk};
use crate::warnings;

/// How long a fault lasts: long enough for the pool to retry several times, and for the sweep to run.
pub(crate) const FAULT_DURATION: Duration = Duration::from_millis(1500);

pub(crate) struct TestDatabase {
    pub(crate) folder: TempDir,
    pub(crate) path: PathBuf,
    pub(crate) disk: Arc<Disk>,
    pub(crate) omniq: AsyncOmniQ,
}

impl TestDatabase {
    pub(crate) async fn open(settings: SettingsBuilder) -> Self {
        warnings::start_recording();
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("jobs.db");
        let disk = Disk::under(&path);
        let settings = settings.build().unwrap();
        let storage = Arc::new(SqliteStorage::open(&path, &settings).unwrap());
        let omniq = AsyncOmniQ::with_storage(storage, settings).await.unwrap();
        Self {
            folder,
            path,
            disk,
            omniq,
        }
    }

    /// Checks that there were warnings, and that each subject was logged once: a disk that fails in one way is one
    /// condition.
    pub(crate) fn assert_each_warning_is_logged_once(&self) {
        let warnings = warnings::about(self.folder.path());
        assert!(!warnings.is_empty(), "nothing was logged");
        for (subject, texts) in warnings {
            assert_eq!(texts.len(), 1, "{subject}: {texts:#?}");
        }
    }
}

/// Returns settings under which a lost lease is taken over soon.
pub(crate) fn quick() -> SettingsBuilder {
    Settings::builder()
        .poll_interval(Duration::from_millis(100))
        .lease(Duration::from_secs(2))
}

pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let answer = tokio::time::timeout(2 * CEILING, future).await;
    answer.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}
