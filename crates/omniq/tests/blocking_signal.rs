//! A blocking pool stops on SIGTERM. This test is alone in its process, which gets the signal.
#![cfg(all(unix, feature = "memory"))]
#![allow(clippy::unwrap_used)]

use std::process::Command;
use std::sync::mpsc::channel;
use std::time::Duration;

use omniq::{Args, OmniQ, TaskContext, TaskError, call};

const CEILING: Duration = Duration::from_secs(20);

async fn nothing(_: TaskContext, _: Args) -> Result<(), TaskError> {
    Ok(())
}

#[test]
fn a_signal_stops_the_pool_for_every_thread_that_waits_for_it() {
    // From here on, a signal does not kill the process, even if it arrives before the pool listens.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let kind = tokio::signal::unix::SignalKind::terminate();
    let _early = runtime.block_on(async { tokio::signal::unix::signal(kind).unwrap() });

    let omniq = OmniQ::connect("memory:").unwrap();
    let pool = omniq.worker().handler("a", nothing).start().unwrap();
    let handle = omniq.enqueue(call("a")).unwrap();
    let _: serde_json::Value = handle.wait(CEILING).unwrap();
    let clone = pool.clone();
    let joining = std::thread::spawn(move || clone.join().unwrap());
    let (sender, stopped) = channel();
    std::thread::spawn(move || sender.send(pool.run_until_signal().unwrap()).unwrap());
    let summary = (0..200).find_map(|_| {
        let this = std::process::id().to_string();
        let sent = Command::new("kill").args(["-TERM", &this]).status();
        assert!(sent.unwrap().success());
        stopped.recv_timeout(CEILING / 200).ok()
    });
    let summary = summary.expect("the pool ignored the signals");
    assert_eq!(summary.total_finished, 1);
    assert_eq!(joining.join().unwrap(), summary);
}
