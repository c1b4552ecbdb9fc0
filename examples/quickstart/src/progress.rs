//! Shows the progress on the terminal.

use std::collections::HashMap;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use omniq::{ErrorKind, TaskHandle};
use tokio::task::JoinSet;

use crate::digest::Digest;
use crate::{Found, Result};

/// A task that is not finished, and the path of its file.
pub type Unfinished = (TaskHandle<Digest>, String);

/// Waits until every task is finished, and shows how many bytes are done.
pub async fn watch(unfinished: &mut Vec<Unfinished>, files: &[Found]) -> Result<()> {
    let sizes: HashMap<&str, u64> = files.iter().map(|f| (f.path.as_str(), f.size)).collect();
    let size = |path: &str| sizes.get(path).copied().unwrap_or(0);
    let bytes = unfinished.iter().map(|(_, path)| size(path)).sum();
    let style = "{spinner} {bar:40} {bytes} of {total_bytes}  {binary_bytes_per_sec}  {msg}";
    let bar = ProgressBar::new(bytes).with_style(ProgressStyle::with_template(style)?);
    bar.enable_steady_tick(Duration::from_millis(100));

    let mut left = unfinished.len();
    bar.set_message(format!("{left} files left"));
    let mut waiters = JoinSet::new();
    for (handle, path) in unfinished.drain(..) {
        waiters.spawn(async move { (result_of(&handle).await, path) });
    }
    while let Some(joined) = waiters.join_next().await {
        let (result, path) = joined?;
        // A failed task is a file that could not be read: the report lists it.
        if let Err(error) = result
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

/// Waits for the result, without a time limit.
async fn result_of(handle: &TaskHandle<Digest>) -> omniq::Result<Digest> {
    loop {
        match handle.wait(Duration::from_secs(3600)).await {
            Err(e) if e.kind() == ErrorKind::WaitTimeout => continue,
            result => return result,
        }
    }
}
