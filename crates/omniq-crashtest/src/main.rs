//! `omniq-crashtest worker|producer|writer|till|order-uncommitted|order-committed KEY=VALUE…`: see `Options`.
//! `omniq-crashtest figures [takeover|wakeups|waits|idle|writers|kills]`: prints a table, or one part of it.
#![allow(clippy::print_stdout)]

use omniq_crashtest::till::Stop;
use omniq_crashtest::{Options, Outcome, figures, producer, till, worker};

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Outcome<()> {
    let mut args = std::env::args().skip(1);
    match args.next().as_deref() {
        Some("worker") => worker::run(Options::from_args(args)?).await,
        Some("producer") => producer::run(Options::from_args(args)?).await,
        Some("till") => till::run(Options::from_args(args)?).await,
        Some("order-uncommitted") => {
            till::order(Options::from_args(args)?, Stop::Uncommitted).await
        }
        Some("order-committed") => till::order(Options::from_args(args)?, Stop::Committed).await,
        Some("writer") => figures::writer(Options::from_args(args)?).await,
        Some("figures") => figures::print(args.next().as_deref()).await,
        _ => Err(
            "usage: omniq-crashtest worker|producer|writer|till|order-… KEY=VALUE… | figures [PART]"
                .into(),
        ),
    }
}
