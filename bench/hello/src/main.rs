//! A minimal program with a worker. W6 measures its size, and its memory while it is idle.

use std::time::Duration;

use omniq::AsyncOmniQ;
use tokio::io::AsyncReadExt as _;

#[omniq::task]
async fn greet(name: String) -> String {
    format!("hello, {name}")
}

#[tokio::main]
async fn main() -> omniq::Result<()> {
    let folder = std::env::args()
        .nth(1)
        .expect("the first argument is the folder for the database");
    let omniq = AsyncOmniQ::connect(&format!("sqlite:///{folder}/hello.db")).await?;
    let pool = omniq.worker().task::<greet>().start().await?;
    let handle = omniq.enqueue(greet::with("Ada".into())).await?;
    println!("{}", handle.wait(Duration::from_secs(30)).await?);
    // The pool is idle until standard input ends.
    let _ = tokio::io::stdin().read(&mut [0]).await;
    pool.stop().await?;
    Ok(())
}
