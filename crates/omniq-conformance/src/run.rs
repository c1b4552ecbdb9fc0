use std::future::Future;
use std::panic::resume_unwind;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::time::timeout;

use crate::{Scene, Subject};

/// No question comes near it unless a wake-up is lost.
const CEILING: Duration = Duration::from_secs(60);

/// Asks one question of a fresh storage, and looks after the bystanders.
pub(crate) fn run<F>(open: fn() -> Subject, question: fn(Scene) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime for the question");
    let asked = runtime.spawn(async move {
        let scene = Scene::open(open).await;
        question(scene.clone()).await;
        scene.bystanders_are_unmoved().await;
    });
    let answer = runtime.block_on(async { timeout(CEILING, asked).await });
    // Whatever still waits must not keep the verdict back.
    runtime.shutdown_background();
    match answer {
        Ok(Ok(())) => {}
        Ok(Err(failed)) => match failed.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            Err(failed) => panic!("the question was not asked to its end: {failed}"),
        },
        Err(_) => panic!("no answer within {CEILING:?}: was a wake-up lost?"),
    }
}
