use std::collections::HashMap;
use std::time::Duration;

use omniq::call;
use omniq_crashtest::judge::{Evidence, all_tasks, judge};
use omniq_crashtest::{Heard, Process, Scene, worker};

use crate::scene;

/// Two workers, started again whenever the poison ends one.
#[tokio::test(flavor = "multi_thread")]
async fn one_poison_task_among_200_fails_and_nothing_else() {
    const TASKS: usize = 200;
    let mut scene = scene();
    let omniq = scene.open().await.unwrap();
    let orders = (0..TASKS).map(|n| match n {
        40 => call(worker::POISON),
        _ => call(worker::NOTE).arg(100),
    });
    let handles = omniq.enqueue_many(orders).await.unwrap();
    let mut workers = HashMap::new();
    for _ in 0..2 {
        start(&scene, &mut workers);
    }

    let all = async {
        for handle in &handles {
            // How each one ends is for the judge to say.
            let _ = handle.wait(Duration::from_secs(30)).await;
        }
    };
    let mut all = std::pin::pin!(all);
    loop {
        tokio::select! {
            () = &mut all => break,
            heard = scene.hear() => if let Heard::Gone(process) = heard.unwrap() {
                workers.remove(&process);
                start(&scene, &mut workers);
            },
        }
    }
    for (_, worker) in workers {
        worker.stop().unwrap();
    }
    let verdict = judge(&Evidence {
        lines: scene.lines().unwrap(),
        tasks: all_tasks(&omniq).await.unwrap(),
        deaths: Vec::new(),
        max_crashes: scene.options.max_crashes,
    });
    println!("{verdict:#?}");
    assert!(verdict.broken.is_empty());
    assert_eq!(verdict.tasks, TASKS);
}

fn start(scene: &Scene, workers: &mut HashMap<u32, Process>) {
    let worker = scene.worker().unwrap();
    workers.insert(worker.id(), worker);
}
