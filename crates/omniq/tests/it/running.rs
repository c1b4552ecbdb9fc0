//! Enqueue, work, result.

use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use omniq::{
    Args, EventKind, Handler, Order, TaskContext, TaskDef, TaskError, TaskFilter, TaskStatus,
    Timestamp, call,
};
use serde_json::json;

use crate::setup::*;

scenarios!(
    a_result_comes_back_typed,
    a_definition_by_hand_runs,
    many_tasks_each_run_once,
    an_eta_is_kept_and_can_be_moved,
    a_series_goes_on_until_it_is_cancelled,
    a_unique_key_answers_with_its_holder,
    follow_ups_land_with_the_success,
    states_and_context_are_handed_in,
    priorities_are_kept,
    old_results_are_forgotten,
);

async fn a_result_comes_back_typed(open: Open) {
    let omniq = omniq(open).await;
    let pool = omniq.worker().handler("echo", echo).start().await.unwrap();
    let handle = omniq
        .enqueue(call("echo").arg(json!({"a": [1]})))
        .await
        .unwrap();
    assert_eq!(handle.wait(CEILING).await.unwrap(), json!({"a": [1]}));
    let typed: omniq::TaskHandle<std::collections::BTreeMap<String, Vec<u8>>> =
        omniq.handle(handle.id());
    assert_eq!(typed.wait(CEILING).await.unwrap()["a"], [1]);
    assert_eq!(typed.status().await.unwrap(), TaskStatus::Success);
    let wrong = omniq
        .handle::<bool>(handle.id())
        .wait(CEILING)
        .await
        .unwrap_err();
    assert_eq!(wrong.kind(), omniq::ErrorKind::Serialization);
    let summary = pool.stop().await.unwrap();
    assert_eq!(
        (summary.total_finished, summary.released, summary.left),
        (1, 0, 0)
    );
}

#[test]
fn what_users_keep_can_be_cloned_and_shared() {
    fn shared<T: Clone + Send + Sync + 'static>() {}
    shared::<omniq::AsyncOmniQ>();
    shared::<omniq::AsyncTaskQueue>();
    shared::<omniq::TaskHandle<std::rc::Rc<u8>>>();
    shared::<TaskContext>();
}

struct Add;

impl TaskDef for Add {
    type Output = i64;
    const NAME: &'static str = "math.add";

    fn handler() -> Handler {
        Handler::new(|_: TaskContext, args: Args| async move {
            let (a, b): (i64, i64) = args.bind(&["a", "b"])?;
            Ok::<_, TaskError>(a + b)
        })
    }
}

async fn a_definition_by_hand_runs(open: Open) {
    let omniq = omniq(open).await;
    let _pool = omniq.worker().task::<Add>().start().await.unwrap();
    let order: Order<i64> = Order::new(Add::NAME).arg(20).kwarg("b", 22);
    let sum: i64 = omniq
        .enqueue(order)
        .await
        .unwrap()
        .wait(CEILING)
        .await
        .unwrap();
    assert_eq!(sum, 42);
}

async fn many_tasks_each_run_once(open: Open) {
    const TASKS: u32 = 3000;
    let omniq = omniq(open).await;
    let runs = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&runs);
    let count = move |_: TaskContext, _: Args| {
        counter.fetch_add(1, Ordering::Relaxed);
        ready(Ok::<_, TaskError>(()))
    };
    let pool = omniq
        .worker()
        .handler("count", count)
        .start()
        .await
        .unwrap();
    let handles = omniq
        .enqueue_many((0..TASKS).map(|_| call("count")))
        .await
        .unwrap();
    for handle in &handles {
        handle.wait(CEILING).await.unwrap();
    }
    assert_eq!(runs.load(Ordering::Relaxed), TASKS);
    let summary = pool.stop().await.unwrap();
    assert_eq!((summary.total_finished, summary.left), (TASKS.into(), 0));
    let stats = omniq.stats().await.unwrap();
    assert_eq!(stats.queues["default"].success, u64::from(TASKS));
}

async fn an_eta_is_kept_and_can_be_moved(open: Open) {
    let omniq = omniq(open).await;
    let _pool = omniq.worker().handler("echo", echo).start().await.unwrap();
    let soon = omniq
        .enqueue(call("echo").delay(Duration::from_millis(60)))
        .await
        .unwrap();
    let far = omniq
        .enqueue(call("echo").delay(Duration::from_secs(3600)))
        .await
        .unwrap();
    soon.wait(CEILING).await.unwrap();
    let task = omniq.get_task(soon.id()).await.unwrap().unwrap();
    assert!(task.started_at.unwrap() >= task.eta, "never early");
    assert_eq!(omniq.stats().await.unwrap().queues["default"].scheduled, 1);
    assert!(omniq.reschedule_task(far.id(), Timestamp(0)).await.unwrap());
    far.wait(CEILING).await.unwrap();
    assert!(
        !omniq.reschedule_task(far.id(), Timestamp(0)).await.unwrap(),
        "it is finished"
    );
}

async fn a_series_goes_on_until_it_is_cancelled(open: Open) {
    let omniq = omniq(open).await;
    let mut events = omniq.events();
    let pool = omniq.worker().handler("tick", echo).start().await.unwrap();
    let order = call("tick").interval(Duration::from_millis(10));
    let first = omniq.enqueue(order).await.unwrap();
    for _ in 0..3 {
        event(&mut events, |kind| *kind == EventKind::Succeeded).await;
    }
    pool.stop().await.unwrap();
    let pending = TaskFilter::new().status(TaskStatus::Pending);
    let live = omniq.list_tasks(pending.clone()).await.unwrap();
    assert_eq!(live.len(), 1, "one unfinished member");
    assert_eq!(live[0].series_id, Some(first.id()));
    assert_ne!(live[0].id, first.id());
    assert!(omniq.cancel_task(live[0].id).await.unwrap());
    assert!(
        omniq.list_tasks(pending).await.unwrap().is_empty(),
        "the series has ended"
    );
}

async fn a_unique_key_answers_with_its_holder(open: Open) {
    let omniq = omniq(open).await;
    let order = || call("echo").unique_key("k");
    let first = omniq.enqueue(order()).await.unwrap();
    assert_eq!(omniq.enqueue(order()).await.unwrap().id(), first.id());
    assert!(first.cancel().await.unwrap());
    let second = omniq.enqueue(order()).await.unwrap();
    assert_ne!(second.id(), first.id());
    let error = omniq.requeue_task(first.id()).await.unwrap_err();
    assert!(error.is_conflict());
    assert!(
        error.to_string().contains(&second.id().to_string()),
        "{error}"
    );
    second.cancel().await.unwrap();
    assert!(omniq.requeue_task(first.id()).await.unwrap());
    assert!(
        !omniq.requeue_task(first.id()).await.unwrap(),
        "it is pending"
    );
}

async fn follow_ups_land_with_the_success(open: Open) {
    let omniq = omniq(open).await;
    let parent = |ctx: TaskContext, args: Args| async move {
        ctx.then(call("child").arg(7).unique_key("child"))?;
        match args.args.is_empty() {
            true => Ok(()),
            false => Err(TaskError::fatal("no success, no child")),
        }
    };
    let pool = omniq
        .worker()
        .handler("parent", parent)
        .start()
        .await
        .unwrap();
    let failing = omniq.enqueue(call("parent").arg("fail")).await.unwrap();
    failing.wait(CEILING).await.unwrap_err();
    let children = TaskFilter::new().name("child");
    assert!(omniq.list_tasks(children.clone()).await.unwrap().is_empty());
    omniq
        .enqueue(call("parent"))
        .await
        .unwrap()
        .wait(CEILING)
        .await
        .unwrap();
    let landed = omniq.list_tasks(children).await.unwrap();
    assert_eq!(landed.len(), 1);
    assert_eq!(landed[0].payload.decode_args().unwrap().args, [json!(7)]);
    pool.stop().await.unwrap();
}

async fn states_and_context_are_handed_in(open: Open) {
    let omniq = omniq(open).await;
    let mut events = omniq.events();
    let tell = |ctx: TaskContext, _: Args| async move {
        ctx.progress(4.0, "nearly");
        ctx.progress(f64::NAN, "left out");
        let word = ctx.state::<String>()?.to_string();
        let child = ctx.enqueue(call("echo").arg(1)).await?;
        let missing = ctx.state::<u8>().unwrap_err();
        assert!(missing.message.contains("u8") && !ctx.is_cancelled());
        let known = (ctx.id(), ctx.attempt(), ctx.lease(), ctx.name().to_owned());
        assert_eq!(ctx.queue(), "talk");
        Ok::<_, TaskError>((word, child.wait(CEILING).await.unwrap(), known))
    };
    let worker = omniq.worker().state("hello".to_owned());
    let _pool = worker
        .handler("tell", tell)
        .handler("echo", echo)
        .start()
        .await
        .unwrap();
    let handle = omniq.enqueue(call("tell").queue("talk")).await.unwrap();
    let expected = json!(["hello", 1, [handle.id(), 1, 1, "tell"]]);
    assert_eq!(handle.wait(CEILING).await.unwrap(), expected);
    let progressed = |kind: &EventKind| matches!(kind, EventKind::Progressed { .. });
    let told = event(&mut events, progressed).await;
    let kind = EventKind::Started;
    assert_ne!(told.kind, kind);
    assert_eq!((told.id, told.queue.as_str()), (handle.id(), "talk"));
    let text = format!("{:?}", told.kind);
    assert!(text.contains("1.0") && text.contains("nearly"), "{text}");
}

async fn priorities_are_kept(open: Open) {
    let omniq = omniq(open).await;
    let orders = [1, 5, -3].map(|priority| call("echo").arg(priority).priority(priority));
    let handles = omniq.enqueue_many(orders).await.unwrap();
    let mut events = omniq.events();
    let worker = omniq.worker().concurrency(1).handler("echo", echo);
    let _pool = worker.start().await.unwrap();
    for expected in [1, 0, 2] {
        assert_eq!(started(&mut events).await.id, handles[expected].id());
    }
}

async fn old_results_are_forgotten(open: Open) {
    let omniq = omniq(open).await;
    let pool = omniq.worker().handler("echo", echo).start().await.unwrap();
    let handles = omniq
        .enqueue_many((0..700).map(|n| call("echo").arg(n)))
        .await
        .unwrap();
    for handle in &handles {
        handle.wait(CEILING).await.unwrap();
    }
    pool.stop().await.unwrap();
    let kept = omniq.enqueue(call("echo")).await.unwrap();
    assert_eq!(
        omniq
            .purge_results(Duration::from_secs(3600))
            .await
            .unwrap(),
        0
    );
    assert_eq!(omniq.purge_results(Duration::ZERO).await.unwrap(), 700);
    assert!(omniq.get_task(handles[0].id()).await.unwrap().is_none());
    assert_eq!(kept.status().await.unwrap(), TaskStatus::Pending);
}
