//! A web service and its workers, in separate processes that share only one SQLite file.
//!
//! ```text
//! cargo run --example web_service -- serve --listen 127.0.0.1:8080
//! cargo run --example web_service -- worker
//! ```
//!
//! Open the page, order thumbnails, kill a worker with `kill -9` and start another: no task is lost. Both processes shut
//! down cleanly on Ctrl-C and SIGTERM.
#![allow(clippy::print_stdout, unreachable_pub)]

mod answers;
mod serve;
mod thumbnail;
mod work;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};
use omniq::AsyncOmniQ;

type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

/// Makes thumbnails in the background.
#[derive(Parser)]
struct Options {
    #[command(subcommand)]
    role: Role,
    /// The SQLite file that all processes share.
    #[arg(long, global = true, default_value = "omniq_data/thumbnails.db")]
    db: PathBuf,
}

#[derive(Subcommand)]
enum Role {
    /// Takes orders over HTTP and shows their progress.
    Serve {
        /// The address to listen on; port 0 picks a free port.
        #[arg(long, default_value = "127.0.0.1:8080")]
        listen: SocketAddr,
    },
    /// Makes the thumbnails that were ordered.
    Worker {
        /// How many thumbnails to make at the same time.
        #[arg(long, default_value_t = 4)]
        concurrency: usize,
    },
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    let omniq = open(&options.db).await?;
    match options.role {
        Role::Serve { listen } => serve::run(omniq, listen).await,
        Role::Worker { concurrency } => work::run(omniq, concurrency).await,
    }
}

async fn open(db: &Path) -> Result<AsyncOmniQ> {
    let path = std::path::absolute(db)?;
    let path = path.to_str().ok_or("the path of --db must be UTF-8")?;
    Ok(AsyncOmniQ::connect(&format!("sqlite:///{path}")).await?)
}
