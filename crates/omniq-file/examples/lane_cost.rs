//! Measures opening a folder and the first claim, by the number of queues that it has: `cargo run --release -p omniq-file --example lane_cost -- 10 3000`
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::time::{Duration, Instant};

use omniq_core::storage::{ClaimFilter, ClaimRequest};
use omniq_core::{CoreSettings, Format, NewTask, OwnerId, Payload, Storage as _, Timestamp};
use omniq_file::FileStorage;

const NOW: Timestamp = Timestamp(1_790_000_000_000_000);
const ROUNDS: usize = 9;

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

async fn measure(queues: usize) {
    let folder = tempfile::tempdir_in(".").unwrap();
    let settings = CoreSettings::default();
    let open = || FileStorage::open(folder.path(), &settings).unwrap();
    let new_task = |queue: usize| {
        let payload = Payload::new(Format::Json, br#"{"args":[1]}"#.to_vec());
        NewTask::new("a", format!("queue{queue}"), payload)
    };
    let running = open();
    let tasks = (0..queues).map(new_task).collect();
    running.enqueue(tasks, NOW).await.unwrap();
    let owner = OwnerId::from_i64(1).unwrap();
    let request = ClaimRequest::new(owner, ClaimFilter::any(), NOW, Duration::from_secs(30));
    running.claim(request.clone()).await.unwrap();
    let (mut opened, mut first, mut later) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        let storage = open();
        opened.push(begin.elapsed());
        let begin = Instant::now();
        storage.claim(request.clone()).await.unwrap();
        first.push(begin.elapsed());
        // It closes, and begins a new epoch of the log.
        drop(storage);
        let begin = Instant::now();
        running.claim(request.clone()).await.unwrap();
        later.push(begin.elapsed());
    }
    println!(
        "{queues:>6} queues: opened in {:.2?}; the first claim {:.2?}; a claim after another process closed {:.2?}",
        median(opened),
        median(first),
        median(later)
    );
}

#[tokio::main]
async fn main() {
    for queues in std::env::args().skip(1) {
        measure(queues.parse().unwrap()).await;
    }
}
