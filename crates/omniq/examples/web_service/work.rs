//! The process of a worker.

use std::time::Duration;

use omniq::AsyncOmniQ;

use crate::Result;
use crate::thumbnail::thumbnail;

/// Works until a shutdown signal; running tasks then have 10 s to finish.
pub async fn run(omniq: AsyncOmniQ, concurrency: usize) -> Result<()> {
    let worker = omniq.worker().task::<thumbnail>();
    let worker = worker.queues(["thumbnails"]).concurrency(concurrency);
    let pool = worker.grace(Duration::from_secs(10)).start().await?;
    println!("working");
    let summary = pool.run_until_signal().await?;
    println!("stopped after {} thumbnails", summary.total_finished);
    Ok(())
}
