//! Computes the SHA-256 of every file below a folder: one durable task for each file, a pool of 8 workers,
//! and a report that is read back from the database.
//!
//! ```text
//! cargo run --release -p quickstart -- FOLDER
//! ```
//!
//! Stop it with Ctrl-C, or kill it, and run it again: it continues, and computes no stored result twice. Results
//! are stored for a day.
#![allow(clippy::print_stdout, unreachable_pub)]

mod digest;
mod files;
mod progress;
mod report;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use omniq::{AsyncOmniQ, Settings};

use files::{Found, Listing};

type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

/// Computes the SHA-256 of every regular file below a folder, as durable tasks.
///
/// Exits with 2 if some files could not be read, and with 130 if it was stopped by Ctrl-C.
#[derive(Parser)]
struct Options {
    /// The folder to read; `.git`, `target` and symbolic links are left out.
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// The database file for the tasks and their results.
    #[arg(long, default_value = "omniq_data/quickstart.db")]
    db: PathBuf,
    /// Also write every digest to this file, in the format that `sha256sum --check` reads.
    #[arg(long, value_name = "FILE")]
    digests: Option<PathBuf>,
    /// How many files to read at the same time.
    #[arg(long, default_value_t = 8)]
    concurrency: usize,
    /// How many tasks to claim before a worker is free for them; by default, the pool measures what it needs.
    #[arg(long)]
    prefetch: Option<usize>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Options::parse()).await {
        Ok(code) => code,
        Err(error) => {
            let mut text = format!("quickstart: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                let more = error.to_string();
                if !text.contains(&more) {
                    text.push_str(&format!("\n  caused by: {more}"));
                }
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
    if !folder.is_dir() {
        return Err(format!("{} is a file: name a folder", folder.display()).into());
    }
    let list = options
        .digests
        .as_deref()
        .map(report::List::create)
        .transpose()?;
    let omniq = open(&options.db).await?;
    let listing = files::below(&folder, &options.db)?;
    let mut unfinished = digest::enqueue(&omniq, &listing.files).await?;

    let mut worker = omniq
        .worker()
        .concurrency(options.concurrency)
        .grace(Duration::from_secs(2))
        .handler(digest::TASK, |_, args| async move {
            digest::of_file(args).await
        });
    if let Some(prefetch) = options.prefetch {
        worker = worker.prefetch(prefetch);
    }
    let pool = worker.start().await?;
    let stopped = tokio::select! {
        finished = progress::watch(&mut unfinished, &listing.files) => { finished?; false }
        signal = tokio::signal::ctrl_c() => { signal?; true }
    };
    if stopped {
        eprintln!("Stopping: files that are being read go back to the queue …");
    }
    tokio::select! {
        summary = pool.stop() => { summary?; }
        _ = tokio::signal::ctrl_c() => {}
    }
    if stopped {
        println!("Stopped. Nothing is lost: run the same command again to continue.");
        return Ok(ExitCode::from(130));
    }
    let report = report::read(&omniq, &listing).await?;
    report.print(&folder, &options.db);
    if let Some(list) = list {
        report.write_digests(list)?;
    }
    Ok(ExitCode::from(if report.is_complete() { 0 } else { 2 }))
}

async fn open(db: &Path) -> Result<AsyncOmniQ> {
    let path = std::path::absolute(db)?;
    let path = path.to_str().ok_or("the path of --db must be UTF-8")?;
    let settings = Settings::builder()
        .url(format!("sqlite:///{path}"))
        // After this program was killed, the files that it was reading are claimed again at the latest after this time.
        .lease(Duration::from_secs(5))
        .build()?;
    Ok(AsyncOmniQ::with_settings(settings).await?)
}
