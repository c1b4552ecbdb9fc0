//! What an order carries besides its call: unique keys, headers, and orders of different types in one call.

use omniq::{Order, TaskContext, TaskFilter, call};

use crate::setup::*;

scenarios!(
    a_handle_says_whether_its_task_is_new,
    headers_reach_the_handler_and_the_next_run,
    orders_of_different_types_are_enqueued_together_or_not_at_all,
);

async fn a_handle_says_whether_its_task_is_new(open: Open) {
    let omniq = omniq(open).await;
    let order = || call("f").unique_key("only one");
    let first = omniq.enqueue(order()).await.unwrap();
    let second = omniq.enqueue(order()).await.unwrap();
    assert!(first.is_new() && first.clone().is_new());
    assert!(!second.is_new());
    assert_eq!(first.id(), second.id());
    let many = omniq.enqueue_many([order(), call("f")]).await.unwrap();
    assert_eq!(
        many.iter().map(|one| one.is_new()).collect::<Vec<_>>(),
        [false, true]
    );
    assert!(!omniq.handle::<()>(first.id()).is_new());
}

async fn headers_reach_the_handler_and_the_next_run(open: Open) {
    let omniq = omniq(open).await;
    let tenant = |ctx: TaskContext, _| async move { Ok(ctx.headers().get("tenant").cloned()) };
    let worker = omniq.worker().handler("tenant", tenant);
    let order = call("tenant").header("tenant", "acme").header("trace", "7");
    let hour = std::time::Duration::from_secs(3600);
    let handle = omniq.enqueue(order.interval(hour)).await.unwrap();
    let task = omniq.get_task(handle.id()).await.unwrap().unwrap();
    assert_eq!(task.headers["trace"], "7");
    let pool = worker.start().await.unwrap();
    assert_eq!(handle.wait(CEILING).await.unwrap(), "acme");
    let filter = TaskFilter::new().after(handle.id());
    let next = &omniq.list_tasks(filter).await.unwrap()[0];
    assert_eq!(next.headers, task.headers);
    pool.stop().await.unwrap();
}

async fn orders_of_different_types_are_enqueued_together_or_not_at_all(open: Open) {
    let omniq = omniq(open).await;
    let number: Order<u32> = Order::new("echo").arg(7);
    let text: Order<String> = Order::new("echo").arg("seven");
    let bad: Order<String> = Order::new("echo").arg(f64::NAN);
    let error = omniq.enqueue_many([number.untyped(), bad.untyped()]).await;
    assert!(error.unwrap_err().to_string().contains("NaN"));
    assert!(
        omniq
            .list_tasks(TaskFilter::new())
            .await
            .unwrap()
            .is_empty()
    );
    let number: Order<u32> = Order::new("echo").arg(7);
    let handles = omniq
        .enqueue_many([number.untyped(), text.untyped()])
        .await
        .unwrap();
    let pool = omniq.worker().handler("echo", echo).start().await.unwrap();
    assert_eq!(handles[0].wait(CEILING).await.unwrap(), 7);
    assert_eq!(handles[1].wait(CEILING).await.unwrap(), "seven");
    pool.stop().await.unwrap();
}
