//! Tests that the `-wal` stays small, or becomes small again, beside programs that read. Records what is logged, so it
//! has a program of its own.
#![allow(clippy::unwrap_used)]

use std::fmt::{Debug, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use omniq_core::{CoreSettings, Format, NewTask, Payload, Storage as _, Timestamp};
use omniq_sqlite::SqliteStorage;
use rusqlite::Connection;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

const MIB: u64 = 1 << 20;
const CEILING: Duration = Duration::from_secs(20);

static WARNINGS: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Recorder;

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, "{field}={value:?} ").unwrap();
    }
}

impl Subscriber for Recorder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() <= Level::WARN
    }

    fn event(&self, event: &Event<'_>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        WARNINGS.lock().unwrap().push(text.0);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

async fn enqueue_mebibytes(storage: &SqliteStorage, number: usize) {
    let payload = Payload::new(Format::Raw, vec![7; MIB as usize]);
    for _ in 0..number {
        let task = NewTask::new("a", "default", payload.clone());
        storage.enqueue(vec![task], Timestamp(0)).await.unwrap();
    }
}

fn wal_length(path: &Path) -> u64 {
    std::fs::metadata(path.with_extension("db-wal")).map_or(0, |meta| meta.len())
}

/// Begins a read transaction.
fn read(path: &Path) -> Connection {
    let conn = Connection::open(path).unwrap();
    conn.execute_batch("BEGIN").unwrap();
    let count = "SELECT count(*) FROM omniq_lane";
    conn.query_row(count, [], |_| Ok(())).unwrap();
    conn
}

fn open(folder: &Path) -> (PathBuf, SqliteStorage) {
    let path = folder.join("jobs.db");
    let storage = SqliteStorage::open(&path, &CoreSettings::default()).unwrap();
    (path, storage)
}

#[tokio::test]
async fn the_wal_is_given_back_after_a_long_read() {
    tracing::subscriber::set_global_default(Recorder).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (path, storage) = open(folder.path());
    enqueue_mebibytes(&storage, 1).await;
    let reader = read(&path);
    enqueue_mebibytes(&storage, 90).await;
    assert!(wal_length(&path) > 80 * MIB, "{}", wal_length(&path));
    std::thread::sleep(Duration::from_millis(1_500));
    enqueue_mebibytes(&storage, 1).await;
    let mut warnings = WARNINGS.lock().unwrap().clone();
    warnings.retain(|text| text.contains(path.to_str().unwrap()));
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].contains("read transaction open"),
        "{warnings:?}"
    );

    // Nobody calls the queue any more.
    drop(reader);
    let end = Instant::now() + CEILING;
    while wal_length(&path) > 64 * MIB {
        assert!(Instant::now() < end, "{} bytes", wal_length(&path));
        std::thread::sleep(Duration::from_millis(20));
    }
    storage.close().await.unwrap();
    let conn = Connection::open(&path).unwrap();
    let sql = "SELECT count(*) FROM omniq_task";
    assert_eq!(conn.query_row(sql, [], |row| row.get(0)), Ok(92));
}

#[tokio::test]
async fn short_reads_that_overlap_do_not_make_the_wal_grow_without_a_limit() {
    let folder = tempfile::tempdir().unwrap();
    let (path, storage) = open(folder.path());
    let stop = Arc::new(AtomicBool::new(false));
    let (reader_path, stopped) = (path.clone(), stop.clone());
    let reads = std::thread::spawn(move || {
        let mut current = read(&reader_path);
        while !stopped.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(30));
            // The next read begins before the last one ends.
            current = read(&reader_path);
        }
        drop(current);
    });
    let begin = Instant::now();
    let mut longest = 0;
    let mut was_truncated = false;
    while begin.elapsed() < Duration::from_secs(8) && !was_truncated {
        enqueue_mebibytes(&storage, 4).await;
        let length = wal_length(&path);
        was_truncated = longest > 64 * MIB && length < 64 * MIB;
        longest = longest.max(length);
    }
    stop.store(true, Ordering::Relaxed);
    reads.join().unwrap();
    assert!(was_truncated, "{} MiB", longest / MIB);
}
