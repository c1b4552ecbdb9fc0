//! Measures the time of a claim, by the number of pending tasks: `cargo run --release -p omniq-file --example claim_cost -- 1000 1000000`
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::time::{Duration, Instant};

use omniq_core::storage::{ClaimFilter, ClaimRequest};
use omniq_core::{
    CoreSettings, Durability, Format, NewTask, OwnerId, Payload, Storage as _, Timestamp,
};
use omniq_file::FileStorage;

const NOW: Timestamp = Timestamp(1_790_000_000_000_000);
const CLAIMS: usize = 400;

async fn measure(pending: usize) {
    let folder = tempfile::tempdir_in(".").unwrap();
    let mut settings = CoreSettings::default();
    settings.durability = Durability::Normal;
    let storage = FileStorage::open(folder.path(), &settings).unwrap();
    let new_task = || {
        NewTask::new(
            "a",
            "default",
            Payload::new(Format::Json, br#"{"args":[1]}"#.to_vec()),
        )
    };
    let begin = Instant::now();
    for from in (0..pending).step_by(1_000) {
        let tasks = (from..pending.min(from + 1_000))
            .map(|_| new_task())
            .collect();
        storage.enqueue(tasks, NOW).await.unwrap();
    }
    let enqueued = begin.elapsed();
    drop(storage);
    // Open the folder with an empty cache, like another process.
    let storage = FileStorage::open(folder.path(), &settings).unwrap();
    let owner = OwnerId::from_i64(1).unwrap();
    let request = ClaimRequest::new(owner, ClaimFilter::any(), NOW, Duration::from_secs(30));
    let begin = Instant::now();
    storage.claim(request.clone()).await.unwrap();
    let first = begin.elapsed();
    let mut times = Vec::new();
    for _ in 0..CLAIMS {
        let begin = Instant::now();
        assert_eq!(storage.claim(request.clone()).await.unwrap().tasks.len(), 1);
        times.push(begin.elapsed());
    }
    times.sort_unstable();
    println!(
        "{pending:>9} pending: enqueued in {enqueued:.2?}; the first claim {first:.2?}; then median {:.2?}, 95% {:.2?}",
        times[CLAIMS / 2],
        times[CLAIMS * 95 / 100]
    );
}

#[tokio::main]
async fn main() {
    for pending in std::env::args().skip(1) {
        measure(pending.parse().unwrap()).await;
    }
}
