//! `omniq-crashtest ROLE KEY=VALUE…` runs one process; see [`omniq_crashtest::Options`] for the keys.
//! `omniq-crashtest figures [PART]` prints all measurements, or one part of them.
//! `omniq-crashtest linearize [OPTIONS]` checks the operations of several processes.
//! `omniq-crashtest powercut [OPTIONS]` opens what a power cut could leave.
#![allow(clippy::print_stdout)]

#[cfg(unix)]
use omniq_crashtest::linearize;
#[cfg(target_os = "linux")]
use omniq_crashtest::powercut;
use omniq_crashtest::shop_app::HangPoint;
use omniq_crashtest::{HarnessResult, Options, figures, producer, shop_app, worker};

const USAGE: &str = "usage: omniq-crashtest ROLE KEY=VALUE… | figures [PART] | linearize [OPTIONS] | powercut [OPTIONS]\n\
    ROLE: worker, producer, writer, shop-worker, order-uncommitted, order-committed\n\
    PART: takeover, wakeups, waits, idle, writers, kills\n\
    OPTIONS: --storage sqlite|file, --seconds N, --seed N\n\
    of linearize: --processes N, --strict true|false; of powercut: --images N";

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> HarnessResult<()> {
    let mut args = std::env::args().skip(1);
    let role = args.next().ok_or(USAGE)?;
    if role == "figures" {
        return figures::print(args.next().as_deref()).await;
    }
    #[cfg(unix)]
    if role == "linearize" {
        return linearize::run::print(linearize::run::Plan::from_args(args)?).await;
    }
    #[cfg(target_os = "linux")]
    if role == "powercut" {
        return powercut::run::print(powercut::run::Plan::from_args(args)?);
    }
    let options = Options::from_args(args)?;
    match role.as_str() {
        "worker" => worker::run(options).await,
        "producer" => producer::run(options).await,
        "writer" => figures::writer(options).await,
        #[cfg(unix)]
        "linearize-client" => linearize::client::run(options).await,
        #[cfg(target_os = "linux")]
        "powercut-processes" => powercut::processes::run(options).await,
        #[cfg(target_os = "linux")]
        "powercut-open" => powercut::processes::open_images(options).await,
        "shop-worker" => shop_app::run(options).await,
        "order-uncommitted" => shop_app::order(options, HangPoint::BeforeCommit).await,
        "order-committed" => shop_app::order(options, HangPoint::AfterCommit).await,
        _ => Err(USAGE.into()),
    }
}
