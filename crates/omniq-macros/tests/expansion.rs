//! Runs tasks that `#[omniq::task]` generates.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use omniq::{AsyncOmniQ, Backoff, State, Task, TaskContext, TaskDef, TaskError, call};
use serde_json::json;

const MAX_WAIT: Duration = Duration::from_secs(20);

mod images {
    use omniq::TaskError;

    #[omniq::task]
    pub(crate) async fn resize(
        path: String,
        #[omniq(default = 640)] width: u32,
        #[omniq(default)] tags: Vec<String>,
    ) -> Result<String, TaskError> {
        Ok(format!("{path} {width} {}", tags.len()))
    }
}

#[omniq::task(
    name = "art.paint",
    queue = "images",
    priority = -5,
    max_attempts = 7,
    timeout = "1m 30s",
    interval = Duration::from_secs(3600),
    backoff = "1s..60s",
    unique_key = "{colour}-{width:>4}",
    order = Paint
)]
fn paint(width: u32, colour: String) -> String {
    format!("{colour}{width}")
}

#[omniq::task(backoff = "10s")]
fn nothing() {}

#[derive(Clone)]
struct Greeting(&'static str);

#[omniq::task]
async fn greet(greeting: State<Greeting>, ctx: TaskContext, mut name: String) -> (String, u32) {
    name.insert_str(0, greeting.0.0);
    (name, ctx.attempt())
}

#[omniq::task]
fn greet_slowly(_ctx: TaskContext, State(greeting): State<Greeting>, name: String) -> String {
    format!("{}{name}", greeting.0)
}

type Answer = Result<u32, std::io::Error>;

#[omniq::task(max_attempts = 1)]
async fn read(path: String) -> Answer {
    Err(std::io::Error::other(format!("no {path}")))
}

#[omniq::task]
fn refuse() -> Result<(), TaskError> {
    Err(TaskError::fatal("never"))
}

#[omniq::task]
#[rustfmt::skip]
#[allow(clippy::too_many_arguments)]
async fn sixteen(
    a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: u8,
    i: u8, j: u8, k: u8, l: u8, m: u8, n: u8, o: u8, #[omniq(default = 16)] p: u8,
) -> Vec<u8> {
    vec![a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
}

async fn omniq() -> AsyncOmniQ {
    AsyncOmniQ::connect("memory:").await.unwrap()
}

async fn enqueued<T>(omniq: &AsyncOmniQ, order: omniq::Order<T>) -> Task {
    let id = omniq.enqueue(order).await.unwrap().id();
    omniq.get_task(id).await.unwrap().unwrap()
}

#[tokio::test]
async fn functions_can_still_be_called_and_orders_run_them() {
    assert_eq!(paint(3, "red".into()), "red3");
    let omniq = omniq().await;
    let worker = omniq.worker().task::<images::resize>().task::<Paint>();
    let pool = worker.task::<nothing>().start().await.unwrap();
    let order = images::resize::with("cat.png".into(), 64, vec!["a".into()]);
    let text: String = omniq
        .enqueue(order)
        .await
        .unwrap()
        .wait(MAX_WAIT)
        .await
        .unwrap();
    assert_eq!(text, "cat.png 64 1");
    let handle = omniq.enqueue(Paint::with(3, "red".into()).queue("default"));
    assert_eq!(handle.await.unwrap().wait(MAX_WAIT).await.unwrap(), "red3");
    let handle = omniq.enqueue(nothing::with()).await.unwrap();
    let () = handle.wait(MAX_WAIT).await.unwrap();
    pool.stop().await.unwrap();
}

#[tokio::test]
async fn a_call_by_name_may_leave_out_arguments_with_a_default() {
    assert_eq!(images::resize::NAME, "images.resize");
    let omniq = omniq().await;
    let pool = omniq
        .worker()
        .task::<images::resize>()
        .start()
        .await
        .unwrap();
    let run = async |order| omniq.enqueue(order).await.unwrap().wait(MAX_WAIT).await;
    let cat = || call("images.resize").arg("cat.png");
    assert_eq!(run(cat()).await.unwrap(), json!("cat.png 640 0"));
    let tagged = cat().kwarg("tags", ["a", "b"]);
    assert_eq!(run(tagged).await.unwrap(), json!("cat.png 640 2"));
    let missing = run(call("images.resize").kwarg("width", 3))
        .await
        .unwrap_err();
    let error = missing.task_error().unwrap();
    assert_eq!(error.error_type, "payload");
    assert!(error.message.contains("\"path\" is missing"), "{error:?}");
    pool.stop().await.unwrap();
}

#[tokio::test]
async fn options_are_the_defaults_of_orders() {
    let omniq = omniq().await;
    let task = enqueued(&omniq, Paint::with(64, "red".into())).await;
    assert_eq!(
        (task.name.as_str(), Paint::NAME),
        ("art.paint", "art.paint")
    );
    assert_eq!((task.queue.as_str(), task.priority), ("images", -5));
    assert_eq!(task.max_attempts, 7);
    assert_eq!(task.timeout, Some(Duration::from_secs(90)));
    assert_eq!(task.interval, Some(Duration::from_secs(3600)));
    let (first, max) = (Duration::from_secs(1), Duration::from_secs(60));
    assert_eq!(task.backoff, Backoff::Exponential { first, max });
    assert_eq!(task.unique_key.as_deref(), Some("red-  64"));
    let changed = Paint::with(1, "blue".into()).queue("films").priority(3);
    let task = enqueued(&omniq, changed).await;
    assert_eq!((task.queue.as_str(), task.priority), ("films", 3));
    let task = enqueued(&omniq, nothing::with()).await;
    assert_eq!(task.backoff, Backoff::Fixed(Duration::from_secs(10)));
}

#[tokio::test]
async fn the_pool_provides_context_and_states() {
    let omniq = omniq().await;
    let missing = omniq.worker().task::<greet>().start().await.unwrap_err();
    assert!(missing.to_string().contains("Greeting"), "{missing}");
    let worker = omniq.worker().task::<greet>().task::<greet_slowly>();
    let pool = worker.state(Greeting("hello, ")).start().await.unwrap();
    let greeted = omniq.enqueue(greet::with("Ada".into())).await.unwrap();
    assert_eq!(
        greeted.wait(MAX_WAIT).await.unwrap(),
        ("hello, Ada".to_owned(), 1)
    );
    let greeted = omniq
        .enqueue(greet_slowly::with("Ada".into()))
        .await
        .unwrap();
    assert_eq!(greeted.wait(MAX_WAIT).await.unwrap(), "hello, Ada");
    pool.stop().await.unwrap();
}

#[tokio::test]
async fn an_error_behind_a_type_alias_is_a_failure() {
    let omniq = omniq().await;
    let pool = omniq
        .worker()
        .task::<read>()
        .task::<refuse>()
        .start()
        .await
        .unwrap();
    let failed = omniq.enqueue(read::with("cat.png".into())).await.unwrap();
    let failed = failed.wait(MAX_WAIT).await.unwrap_err();
    assert_eq!(failed.task_error().unwrap().message, "no cat.png");
    let refused = omniq.enqueue(refuse::with()).await.unwrap();
    let refused = refused.wait(MAX_WAIT).await.unwrap_err();
    assert_eq!(refused.task_error().unwrap().retry_count, 0);
    pool.stop().await.unwrap();
}

#[tokio::test]
async fn a_task_takes_sixteen_arguments() {
    let omniq = omniq().await;
    let pool = omniq.worker().task::<sixteen>().start().await.unwrap();
    let all: Vec<u8> = (1..=16).collect();
    let order = sixteen::with(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16);
    assert_eq!(
        omniq
            .enqueue(order)
            .await
            .unwrap()
            .wait(MAX_WAIT)
            .await
            .unwrap(),
        all
    );
    let by_name = (1..=15).fold(call("sixteen"), |call, number: u8| {
        call.kwarg(char::from(b'a' + number - 1), number)
    });
    let handle = omniq.enqueue(by_name).await.unwrap();
    assert_eq!(handle.wait(MAX_WAIT).await.unwrap(), json!(all));
    pool.stop().await.unwrap();
}
