//! A pool without async ends when the system asks. Alone in its process, which gets the signal.
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
fn a_signal_ends_the_pool_for_all_who_wait() {
    // From here on a signal does not end the process, even if it comes before the pool listens.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let kind = tokio::signal::unix::SignalKind::terminate();
    let _early = runtime.block_on(async { tokio::signal::unix::signal(kind).unwrap() });

    let omniq = OmniQ::connect("memory:").unwrap();
    let pool = omniq.worker().handler("a", nothing).start().unwrap();
    let handle = omniq.enqueue(call("a")).unwrap();
    let _: serde_json::Value = handle.wait(CEILING).unwrap();
    let joining = pool.clone();
    let joining = std::thread::spawn(move || joining.join().unwrap());
    let (ends, ended) = channel();
    std::thread::spawn(move || ends.send(pool.run_until_signal().unwrap()).unwrap());
    let summary = (0..200).find_map(|_| {
        let this = std::process::id().to_string();
        let sent = Command::new("kill").args(["-TERM", &this]).status();
        assert!(sent.unwrap().success());
        ended.recv_timeout(CEILING / 200).ok()
    });
    let summary = summary.expect("no signal was heard");
    assert_eq!(summary.total_finished, 1);
    assert_eq!(joining.join().unwrap(), summary);
}
