//! Runs one question.

use std::future::Future;
use std::panic::resume_unwind;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::time::timeout;

use crate::{Fixture, Subject};

/// The time limit of a question. Only a lost wake-up makes a question take this long.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// Runs one question on an empty storage, and checks the bystanders.
pub(crate) fn run<F>(open: fn() -> Subject, question: fn(Fixture) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime for the question");
    let running = runtime.spawn(async move {
        let fixture = Fixture::open(open).await;
        question(fixture.clone()).await;
        fixture.assert_bystanders_unchanged().await;
    });
    let answer = runtime.block_on(async { timeout(TIME_LIMIT, running).await });
    // Tasks that still wait must not delay the result.
    runtime.shutdown_background();
    match answer {
        Ok(Ok(())) => {}
        Ok(Err(failed)) => match failed.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            Err(failed) => panic!("the question was cancelled: {failed}"),
        },
        Err(_) => panic!("no answer within {TIME_LIMIT:?}: was a wake-up lost?"),
    }
}
