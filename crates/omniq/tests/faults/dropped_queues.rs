//! A queue that is dropped is no reason for a warning.

use std::time::Duration;

use omniq::{Args, AsyncOmniQ, TaskContext, TaskError, call};

use crate::disk::CEILING;
use crate::warnings;

async fn nothing(_: TaskContext, _: Args) -> Result<(), TaskError> {
    Ok(())
}

/// All queues share one thread for their waits. The last wait happens on that thread after everything that the dropped
/// queues left there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_a_queue_after_a_wait_logs_no_warning() {
    warnings::start_recording();
    let last = AsyncOmniQ::connect("memory:").await.unwrap();
    for _ in 0..200 {
        let omniq = AsyncOmniQ::connect("memory:").await.unwrap();
        let pool = omniq
            .worker()
            .handler("nothing", nothing)
            .start()
            .await
            .unwrap();
        let handle = omniq.enqueue(call("nothing")).await.unwrap();
        handle.wait(CEILING).await.unwrap();
        pool.stop().await.unwrap();
    }
    let handle = last.enqueue(call("unhandled")).await.unwrap();
    handle.wait(Duration::from_millis(1)).await.unwrap_err();
    assert_eq!(warnings::count("stream of signals ended"), 0);
}
