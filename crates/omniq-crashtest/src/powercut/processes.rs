//! The processes that are recorded, and the process that opens images.

use std::io::{BufRead as _, BufReader};
use std::path::Path;

use omniq::TaskFilter;
use omniq::storage::{NewTask, Storage};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _};

use crate::linearize::history::{Answer, Call, Snapshot, payload_of};
use crate::{HarnessResult, Options, Process, now_micros};

/// The number of processes that are recorded.
const PROCESSES: u64 = 3;

/// Starts the processes that are recorded, prints `ready` when all of them are ready, and stops them when standard input ends.
///
/// # Errors
///
/// Returns an error if a process can't be started, or fails.
pub async fn run(mut options: Options) -> HarnessResult<()> {
    let program = std::env::current_exe()?;
    let mut processes = Vec::new();
    for number in 0..PROCESSES {
        options.number = number;
        let (process, output) = Process::start(&program, "linearize-client", &options)?;
        let mut line = String::new();
        BufReader::new(output.ok_or("no output")?).read_line(&mut line)?;
        if line != "ready\n" {
            return Err(format!("a process is not ready: {line:?}").into());
        }
        processes.push(process);
    }
    println!("ready");
    tokio::io::stdin().read_to_end(&mut Vec::new()).await?;
    processes.into_iter().try_for_each(Process::stop)
}

/// What was found in an image: the operations on it with their responses, or why it could not be used.
#[derive(Debug, Serialize, Deserialize)]
pub enum Found {
    /// The operations, one after the other.
    Operations(Vec<(Call, Answer)>),
    /// The error.
    Failed(String),
}

/// Opens the storage in each folder that is named by a line of standard input, and prints a line with what it
/// [found](Found).
///
/// # Errors
///
/// Returns an error if standard input or output fails.
pub async fn open_images(mut options: Options) -> HarnessResult<()> {
    let mut lines = tokio::io::BufReader::new(tokio::io::stdin()).lines();
    while let Some(folder) = lines.next_line().await? {
        options.db = Path::new(&folder).join("queue.db");
        let found = match open_image(&options).await {
            Ok(operations) => Found::Operations(operations),
            Err(error) => Found::Failed(error.to_string()),
        };
        println!("{}", serde_json::to_string(&found)?);
    }
    Ok(())
}

/// Reads all tasks, enqueues one more, and reads all tasks again.
async fn open_image(options: &Options) -> HarnessResult<Vec<(Call, Answer)>> {
    let opened = omniq::open_storage(&options.settings()?).await;
    let storage = opened.map_err(|error| error.chain().to_string())?;
    let mut operations = Vec::new();
    list_all(storage.as_ref(), &mut operations).await?;
    // No client of the history uses such a number.
    let content = u64::MAX - 1;
    let new = NewTask::new("task", "queue", payload_of(content));
    let now = omniq::Timestamp(now_micros());
    let answers = storage.enqueue(vec![new], now).await?;
    let answer = answers
        .first()
        .map_or(Answer::NotFound, |answer| (*answer).into());
    operations.push((Call::Enqueue { content, key: None }, answer));
    list_all(storage.as_ref(), &mut operations).await?;
    storage.close().await?;
    Ok(operations)
}

async fn list_all(
    storage: &dyn Storage,
    operations: &mut Vec<(Call, Answer)>,
) -> HarnessResult<()> {
    let mut filter = TaskFilter::new();
    loop {
        let page = storage.list_tasks(filter.clone()).await?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        filter.after = Some(last.id);
        let listed = page.iter().map(Snapshot::of).collect();
        operations.push((Call::List, Answer::Listed(listed)));
    }
}
