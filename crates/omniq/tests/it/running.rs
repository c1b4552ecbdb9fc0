//! From an order to its result.

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
    a_result_has_the_type_that_the_handle_names,
    a_task_definition_without_the_macro_runs,
    many_tasks_each_run_once,
    a_task_never_runs_before_its_eta_and_can_be_rescheduled,
    a_series_goes_on_until_it_is_cancelled,
    an_order_with_a_used_unique_key_returns_the_existing_task,
    follow_up_tasks_are_enqueued_only_with_a_success,
    a_handler_gets_states_and_its_context,
    tasks_run_in_the_order_of_their_priorities,
    purging_deletes_finished_tasks_only,
);

async fn a_result_has_the_type_that_the_handle_names(open: Open) {
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
fn queues_handles_and_contexts_can_be_cloned_and_shared() {
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

async fn a_task_definition_without_the_macro_runs(open: Open) {
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

async fn a_task_never_runs_before_its_eta_and_can_be_rescheduled(open: Open) {
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
    assert!(
        task.started_at.unwrap() >= task.eta,
        "the task did not start early"
    );
    assert_eq!(omniq.stats().await.unwrap().queues["default"].scheduled, 1);
    assert!(omniq.reschedule_task(far.id(), Timestamp(0)).await.unwrap());
    far.wait(CEILING).await.unwrap();
    assert!(
        !omniq.reschedule_task(far.id(), Timestamp(0)).await.unwrap(),
        "the task is finished"
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
    assert_eq!(live.len(), 1, "one task of the series is unfinished");
    assert_eq!(live[0].series_id, Some(first.id()));
    assert_ne!(live[0].id, first.id());
    assert!(omniq.cancel_task(live[0].id).await.unwrap());
    assert!(
        omniq.list_tasks(pending).await.unwrap().is_empty(),
        "the series has ended"
    );
}

async fn an_order_with_a_used_unique_key_returns_the_existing_task(open: Open) {
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
        "the task is pending"
    );
}

async fn follow_up_tasks_are_enqueued_only_with_a_success(open: Open) {
    let omniq = omniq(open).await;
    let parent = |ctx: TaskContext, args: Args| async move {
        ctx.then(call("child").arg(7).unique_key("child"))?;
        match args.args.is_empty() {
            true => Ok(()),
            false => Err(TaskError::fatal("without a success there is no child")),
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
    let children = omniq.list_tasks(children).await.unwrap();
    assert_eq!(children.len(), 1);
    assert_eq!(children[0].payload.decode_args().unwrap().args, [json!(7)]);
    pool.stop().await.unwrap();
}

async fn a_handler_gets_states_and_its_context(open: Open) {
    let omniq = omniq(open).await;
    let mut events = omniq.events();
    let report = |ctx: TaskContext, _: Args| async move {
        ctx.progress(4.0, "nearly");
        ctx.progress(f64::NAN, "ignored");
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
        .handler("report", report)
        .handler("echo", echo)
        .start()
        .await
        .unwrap();
    let handle = omniq.enqueue(call("report").queue("talk")).await.unwrap();
    let expected = json!(["hello", 1, [handle.id(), 1, 1, "report"]]);
    assert_eq!(handle.wait(CEILING).await.unwrap(), expected);
    let progressed = |kind: &EventKind| matches!(kind, EventKind::Progressed { .. });
    let event = event(&mut events, progressed).await;
    assert_ne!(event.kind, EventKind::Started);
    assert_eq!((event.id, event.queue.as_str()), (handle.id(), "talk"));
    let text = format!("{:?}", event.kind);
    assert!(text.contains("1.0") && text.contains("nearly"), "{text}");
}

async fn tasks_run_in_the_order_of_their_priorities(open: Open) {
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

async fn purging_deletes_finished_tasks_only(open: Open) {
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
    let pending = omniq.enqueue(call("echo")).await.unwrap();
    assert_eq!(
        omniq
            .purge_results(Duration::from_secs(3600))
            .await
            .unwrap(),
        0
    );
    assert_eq!(omniq.purge_results(Duration::ZERO).await.unwrap(), 700);
    assert!(omniq.get_task(handles[0].id()).await.unwrap().is_none());
    assert_eq!(pending.status().await.unwrap(), TaskStatus::Pending);
}
