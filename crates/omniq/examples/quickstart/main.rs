//! The main job: a task for every file below a folder, its SHA-256 computed in a pool of 8, the results
//! read back from the database.
//!
//! ```text
//! cargo run --release --example quickstart -- FOLDER
//! ```
//!
//! Stop it with Ctrl-C, or kill it, and run it again: what was stored is not computed twice.
#![allow(clippy::print_stdout, unreachable_pub)]

mod digest;
mod files;
mod report;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use omniq::{AsyncOmniQ, AsyncWorkerPool, ErrorKind, Settings, TaskHandle};
use tokio::task::JoinSet;

use digest::Digest;
use files::{Found, Listing};

type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

/// Computes the SHA-256 of every file below a folder, as durable tasks.
#[derive(Parser)]
struct Options {
    /// The folder to look below; `.git`, `target` and symbolic links are left out.
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Where the tasks and their results are kept.
    #[arg(long, default_value = "omniq_data/quickstart.db")]
    db: PathBuf,
    /// Also write every digest to this file, in the form that `sha256sum --check` reads.
    #[arg(long, value_name = "FILE")]
    digests: Option<PathBuf>,
    /// How many files at once.
    #[arg(long, default_value_t = 8)]
    concurrency: usize,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Options::parse()).await {
        Ok(code) => code,
        Err(error) => {
            let mut text = format!("quickstart: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                text.push_str(&format!("\n  caused by: {error}"));
                cause = error.source();
            }
            eprintln!("{text}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> Result<ExitCode> {
    let folder = options.folder.canonicalize().map_err(|e| {
        format!(
            "the folder {} can't be opened: {e}",
            options.folder.display()
        )
    })?;
    let omniq = open(&options.db).await?;
    let listing = files::below(&folder, &options.db)?;
    let mut waiting = digest::enqueue(&omniq, &listing.files).await?;

    let pool = omniq
        .worker()
        .concurrency(options.concurrency)
        .handler(digest::TASK, |_, args| async move {
            digest::of_file(args).await
        })
        .start()
        .await?;
    let stopped = tokio::select! {
        finished = watch(&mut waiting, listing.files.len()) => { finished?; false }
        signal = tokio::signal::ctrl_c() => { signal?; true }
    };
    finish(pool).await?;
    if stopped {
        println!("Stopped. Nothing is lost: run the same command again to go on.");
        return Ok(ExitCode::from(130));
    }
    let report = report::read(&omniq, &listing).await?;
    report.print(&folder, &options.db);
    if let Some(path) = options.digests {
        report.write_digests(&path)?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn open(db: &Path) -> Result<AsyncOmniQ> {
    let path = std::path::absolute(db)?;
    let path = path.to_str().ok_or("the path of --db must be UTF-8")?;
    let settings = Settings::builder()
        .url(format!("sqlite:///{path}"))
        // Files that were being read when this program was killed are read again after so long.
        .lease(Duration::from_secs(5))
        .build()?;
    Ok(AsyncOmniQ::with_settings(settings).await?)
}

/// Shows the progress until every file has its result, or its error.
async fn watch(waiting: &mut Vec<TaskHandle<Digest>>, total: usize) -> Result<()> {
    let style = "{bar:40} {pos}/{len} files  {per_sec}  {eta} left";
    let bar = ProgressBar::new(total as u64).with_style(ProgressStyle::with_template(style)?);
    bar.set_position((total - waiting.len()) as u64);
    let mut waits = JoinSet::new();
    for handle in waiting.drain(..) {
        waits.spawn(async move {
            loop {
                match handle.wait(Duration::from_secs(3600)).await {
                    Err(e) if e.kind() == ErrorKind::WaitTimeout => continue,
                    ended => break ended,
                }
            }
        });
    }
    while let Some(ended) = waits.join_next().await {
        // A file that could not be read is a task that failed: the report tells of it.
        match ended? {
            Err(e) if e.kind() != ErrorKind::TaskFailed => return Err(e.into()),
            _ => bar.inc(1),
        }
    }
    bar.finish_and_clear();
    Ok(())
}

async fn finish(pool: AsyncWorkerPool) -> Result<()> {
    pool.stop().await?;
    Ok(())
}
