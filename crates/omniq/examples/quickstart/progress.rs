//! Shows how far it is.

use std::collections::HashMap;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use omniq::{ErrorKind, TaskHandle};
use tokio::task::JoinSet;

use crate::digest::Digest;
use crate::{Found, Result};

/// A task that is still to come, and the file it is about.
pub type Waiting = (TaskHandle<Digest>, String);

/// Returns once every file has its result, or its error.
pub async fn watch(waiting: &mut Vec<Waiting>, files: &[Found]) -> Result<()> {
    let sizes: HashMap<&str, u64> = files.iter().map(|f| (f.path.as_str(), f.size)).collect();
    let size = |path: &str| sizes.get(path).copied().unwrap_or(0);
    let bytes = waiting.iter().map(|(_, path)| size(path)).sum();
    let style = "{spinner} {bar:40} {bytes} of {total_bytes}  {binary_bytes_per_sec}  {msg}";
    let bar = ProgressBar::new(bytes).with_style(ProgressStyle::with_template(style)?);
    bar.enable_steady_tick(Duration::from_millis(100));

    let mut left = waiting.len();
    bar.set_message(format!("{left} files left"));
    let mut waits = JoinSet::new();
    for (handle, path) in waiting.drain(..) {
        waits.spawn(async move { (end_of(&handle).await, path) });
    }
    while let Some(ended) = waits.join_next().await {
        let (ended, path) = ended?;
        // A file that could not be read is a task that failed: the report tells of it.
        if let Err(error) = ended
            && error.kind() != ErrorKind::TaskFailed
        {
            return Err(error.into());
        }
        left -= 1;
        bar.inc(size(&path));
        bar.set_message(format!("{left} files left"));
    }
    bar.finish_and_clear();
    Ok(())
}

/// However long it takes.
async fn end_of(handle: &TaskHandle<Digest>) -> omniq::Result<Digest> {
    loop {
        match handle.wait(Duration::from_secs(3600)).await {
            Err(e) if e.kind() == ErrorKind::WaitTimeout => continue,
            ended => return ended,
        }
    }
}
