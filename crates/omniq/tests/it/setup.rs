//! Shared by the scenarios: storages, handlers, and waits with a ceiling.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use omniq::{
    Args, AsyncOmniQ, Backoff, Event, EventKind, EventStream, Settings, SettingsBuilder, Storage,
    TaskContext, TaskError,
};

/// The longest wait. Waits end by events, never by this ceiling, unless a test fails.
pub(crate) const CEILING: Duration = Duration::from_secs(20);

/// Opens a new, empty storage at each call.
pub(crate) type Open = Arc<dyn Fn() -> Arc<dyn Storage> + Send + Sync>;

#[cfg(feature = "memory")]
pub(crate) fn memory() -> Open {
    Arc::new(|| Arc::new(omniq::MemoryStorage::new()))
}

#[cfg(feature = "sqlite")]
pub(crate) fn sqlite(folder: &std::path::Path) -> Open {
    let (folder, files) = (folder.to_owned(), std::sync::atomic::AtomicU32::new(0));
    Arc::new(move || {
        let number = files.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = folder.join(format!("{number}.db"));
        let settings = quick().build().unwrap();
        Arc::new(omniq::SqliteStorage::open(path, &settings).unwrap())
    })
}

/// Makes a test on each storage of each scenario, which is an async function of [`Open`].
macro_rules! scenarios {
    ($($name:ident),+ $(,)?) => {
        #[cfg(feature = "memory")]
        mod memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                $crate::setup::within(super::$name($crate::setup::memory())).await;
            })+
        }

        #[cfg(feature = "sqlite")]
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let folder = tempfile::tempdir().unwrap();
                let open = $crate::setup::sqlite(folder.path());
                $crate::setup::within(super::$name(open)).await;
            })+
        }
    };
}
pub(crate) use scenarios;

pub(crate) async fn within<T>(scenario: impl Future<Output = T>) -> T {
    tokio::time::timeout(CEILING * 2, scenario)
        .await
        .expect("the scenario hangs")
}

/// Returns settings with quick retries and frequent safety checks.
pub(crate) fn quick() -> SettingsBuilder {
    Settings::builder()
        .backoff(Backoff::Fixed(Duration::from_millis(5)))
        .poll_interval(Duration::from_millis(200))
}

pub(crate) async fn omniq(open: Open) -> AsyncOmniQ {
    with(open(), quick()).await
}

pub(crate) async fn with(storage: Arc<dyn Storage>, settings: SettingsBuilder) -> AsyncOmniQ {
    let settings = settings.build().unwrap();
    AsyncOmniQ::with_storage(storage, settings).await.unwrap()
}

/// A handler that returns its first argument.
pub(crate) async fn echo(_: TaskContext, args: Args) -> Result<serde_json::Value, TaskError> {
    Ok(args.args.first().cloned().unwrap_or_default())
}

/// A handler that runs until it is cancelled.
pub(crate) async fn until_cancelled(ctx: TaskContext, _: Args) -> Result<(), TaskError> {
    ctx.cancelled().await;
    Ok(())
}

/// A handler that never returns.
pub(crate) async fn forever(_: TaskContext, _: Args) -> Result<(), TaskError> {
    std::future::pending().await
}

/// Waits for the next event whose kind matches.
pub(crate) async fn event(events: &mut EventStream, matches: impl Fn(&EventKind) -> bool) -> Event {
    let found = async {
        loop {
            let event = events.next().await.expect("the events ended");
            if matches(&event.kind) {
                return event;
            }
        }
    };
    tokio::time::timeout(CEILING, found)
        .await
        .expect("no such event")
}

pub(crate) async fn started(events: &mut EventStream) -> Event {
    event(events, |kind| *kind == EventKind::Started).await
}

pub(crate) async fn released(events: &mut EventStream) -> Event {
    event(events, |kind| *kind == EventKind::Released).await
}
