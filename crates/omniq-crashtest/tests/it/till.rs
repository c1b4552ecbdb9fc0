//! Tasks in the application's own transactions, while processes are killed.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use omniq::{TaskHandle, TaskStatus, call};
use omniq_crashtest::kills::Plan;
use omniq_crashtest::till::{BOOK, Driver, entries};
use omniq_crashtest::{Heard, Mark, Scene};

use crate::scene;

const DRIVERS: [Driver; 2] = [Driver::Rusqlite, Driver::Sqlx];

fn till(driver: Driver) -> Scene {
    let mut scene = scene();
    scene.options.driver = driver;
    scene
}

/// Killed before its commit, it leaves neither entry nor task; after it, both.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_there_with_its_task_or_not_at_all() {
    for driver in DRIVERS {
        let mut scene = till(driver);
        let omniq = scene.open().await.unwrap();
        let tasks = || omniq.list_tasks(omniq::TaskFilter::new());

        let orderer = scene.ready("order-uncommitted").await.unwrap();
        orderer.kill().unwrap();
        assert!(tasks().await.unwrap().is_empty());
        assert!(entries(&scene.options.db).unwrap().is_empty());

        let orderer = scene.ready("order-committed").await.unwrap();
        orderer.kill().unwrap();
        let found = tasks().await.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(entries(&scene.options.db).unwrap(), [found[0].id]);

        let worker = scene.ready("till").await.unwrap();
        let handle: TaskHandle<String> = omniq.handle(found[0].id);
        let result = handle.wait(Duration::from_secs(10)).await.unwrap();
        assert_eq!(result, found[0].id.to_string());
        assert_eq!(entries(&scene.options.db).unwrap().len(), 2);
        worker.stop().unwrap();
    }
}

/// `OMNIQ_KILLS` asks for more kills, `OMNIQ_TEST_SEED` for the same dice.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_handler_books_with_its_completion_happens_exactly_once() {
    let plan = Plan::from_env(16).unwrap();
    println!("{plan:?}");
    for driver in DRIVERS {
        let begin = Instant::now();
        book_and_kill(plan, driver).await;
        println!("{driver:?}: {:?}", begin.elapsed());
    }
}

async fn book_and_kill(plan: Plan, driver: Driver) {
    let mut dice = fastrand::Rng::with_seed(plan.seed);
    let mut scene = till(driver);
    scene.options.lease = Duration::from_secs(5);
    scene.options.max_crashes = plan.kills + 1;
    let omniq = scene.open().await.unwrap();
    let mut workers = vec![scene.start("till").unwrap(), scene.start("till").unwrap()];
    let mut handles: Vec<TaskHandle<serde_json::Value>> = Vec::new();
    for _ in 0..plan.kills {
        let orders = (0..10).map(|_| call(BOOK).arg(dice.u32(..5)).max_attempts(1_000));
        handles.extend(omniq.enqueue_many(orders).await.unwrap());
        let mut lines = dice.u32(1..16);
        while lines > 0 {
            let line = matches!(scene.hear().await.unwrap(), Heard::Line(_));
            lines -= u32::from(line);
        }
        let victim = workers.swap_remove(dice.usize(..workers.len()));
        victim.kill().unwrap();
        workers.push(scene.start("till").unwrap());
    }
    for handle in &handles {
        let result = handle.wait(Duration::from_secs(60)).await.unwrap();
        assert_eq!(result, handle.id().to_string());
        assert_eq!(handle.status().await.unwrap(), TaskStatus::Success);
    }
    workers
        .into_iter()
        .for_each(|worker| worker.stop().unwrap());

    let booked = entries(&scene.options.db).unwrap();
    let mut tasks: Vec<_> = handles.iter().map(TaskHandle::id).collect();
    tasks.sort_unstable();
    assert_eq!(booked, tasks, "one entry for each success: {plan:?}");
    let lines = scene.lines().unwrap();
    let marked = |mark| lines.iter().filter(move |line| line.mark == mark);
    let ended: HashSet<_> = marked(Mark::End).map(|line| line.id).collect();
    println!(
        "{driver:?}: {} tasks; {} executions were lost, {} tasks ended with a death between their commit and \
         their return",
        tasks.len(),
        marked(Mark::Start).count() - tasks.len(),
        tasks.len() - ended.len(),
    );
}
