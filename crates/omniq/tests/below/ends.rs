//! A queue that ends is no trouble.

use std::time::Duration;

use omniq::{Args, AsyncOmniQ, TaskContext, TaskError, call};

use crate::disk::CEILING;
use crate::warnings;

async fn nothing(_: TaskContext, _: Args) -> Result<(), TaskError> {
    Ok(())
}

/// The last of them waits on the thread that they share: what the others left there is over by then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_was_waited_on_ends_without_a_word() {
    warnings::listen();
    let stays = AsyncOmniQ::connect("memory:").await.unwrap();
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
    let handle = stays.enqueue(call("nobody")).await.unwrap();
    handle.wait(Duration::from_millis(1)).await.unwrap_err();
    assert_eq!(warnings::said("stream of signals ended"), 0);
}
