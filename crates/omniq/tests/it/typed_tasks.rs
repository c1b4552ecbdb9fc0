//! Tasks that are functions: the types that they may return, and the results and errors that callers get.

use std::io;

use anyhow::Context as _;
use omniq::{ErrorKind, ResultExt as _, Serializer, TaskError, TaskHandle};
use serde_bytes::ByteBuf;

use crate::setup::*;

scenarios!(
    every_kind_of_error_fails_the_task_and_keeps_its_text,
    a_verdict_survives_every_wrapper,
    a_fatal_error_of_a_task_is_not_fatal_for_the_task_that_waits_for_it,
    arguments_and_result_have_the_format_of_the_order,
    a_pool_refuses_two_tasks_of_the_same_name,
);

#[derive(Debug)]
enum LookupError {
    NoSuchUser,
}

impl std::fmt::Display for LookupError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no such user")
    }
}

impl std::error::Error for LookupError {}

type Boxed = Box<dyn std::error::Error + Send + Sync>;
type AliasedResult = Result<u8, LookupError>;

#[omniq::task]
async fn own_error() -> AliasedResult {
    Err(LookupError::NoSuchUser)
}

#[omniq::task]
fn io_error() -> io::Result<u8> {
    Err(io::Error::other("the disk is missing"))
}

#[omniq::task]
async fn text_error() -> Result<u8, &'static str> {
    Err("it broke")
}

#[omniq::task]
async fn anyhow_error() -> anyhow::Result<u8> {
    Err(io::Error::other("the disk is missing")).context("can't save")
}

#[omniq::task]
async fn eyre_error() -> eyre::Result<u8> {
    Err(eyre::eyre!("the disk is missing").wrap_err("can't save"))
}

async fn every_kind_of_error_fails_the_task_and_keeps_its_text(open: Open) {
    let omniq = omniq(open).await;
    let worker = omniq.worker().task::<own_error>().task::<io_error>();
    let worker = worker.task::<text_error>().task::<anyhow_error>();
    let pool = worker.task::<eyre_error>().start().await.unwrap();
    let orders = [own_error::with(), io_error::with(), text_error::with()];
    let wrapped = [anyhow_error::with(), eyre_error::with()];
    let orders = orders.into_iter().chain(wrapped);
    let handles = omniq.enqueue_many(orders.map(|order| order.max_attempts(1)));
    let results = TaskHandle::wait_all(&handles.await.unwrap(), CEILING).await;
    let errors = results.into_iter().map(|result| {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TaskFailed);
        let error = error.task_error().unwrap().clone();
        assert!(error.is_retryable, "{error}");
        let causes = error.traceback.unwrap_or_default();
        let first = causes.lines().next().unwrap_or_default().to_owned();
        (error.error_type, error.message, first)
    });
    let errors: Vec<_> = errors.collect();
    let errors: Vec<_> = errors
        .iter()
        .map(|(a, b, c)| (a.as_str(), b.as_str(), c.as_str()))
        .collect();
    let cause = "caused by: the disk is missing";
    let expected = [
        ("LookupError", "no such user", ""),
        ("Error", "the disk is missing", ""),
        ("Error", "it broke", ""),
        ("Error", "can't save", cause),
        ("Report", "can't save", cause),
    ];
    assert_eq!(errors, expected);
    pool.stop().await.unwrap();
}

fn parse(text: &str) -> Result<u8, TaskError> {
    text.parse().fatal()
}

#[omniq::task]
async fn through_anyhow(text: String) -> anyhow::Result<u8> {
    Ok(parse(&text)?)
}

#[omniq::task]
async fn through_anyhow_with_context(text: String) -> anyhow::Result<u8> {
    parse(&text).context("reading").context("starting")
}

#[omniq::task]
async fn through_eyre(text: String) -> eyre::Result<u8> {
    Ok(parse(&text)?)
}

#[omniq::task]
fn through_a_box(text: String) -> Result<u8, Boxed> {
    Ok(parse(&text)?)
}

#[omniq::task]
fn through_io_error(text: String) -> io::Result<u8> {
    parse(&text).map_err(io::Error::other)
}

async fn a_verdict_survives_every_wrapper(open: Open) {
    let omniq = omniq(open).await;
    let worker = omniq
        .worker()
        .task::<through_anyhow>()
        .task::<through_a_box>();
    let worker = worker
        .task::<through_anyhow_with_context>()
        .task::<through_eyre>();
    let pool = worker.task::<through_io_error>().start().await.unwrap();
    let text = || "x".to_owned();
    let orders = [
        through_anyhow::with(text()),
        through_anyhow_with_context::with(text()),
        through_eyre::with(text()),
        through_a_box::with(text()),
        through_io_error::with(text()),
    ];
    for handle in omniq.enqueue_many(orders).await.unwrap() {
        let error = handle.wait(CEILING).await.unwrap_err();
        let error = error.task_error().unwrap();
        assert_eq!(
            (error.is_retryable, error.retry_count),
            (false, 0),
            "{error:?}"
        );
        let text = format!("{error:?}");
        assert!(text.contains("invalid digit"), "{text}");
    }
    pool.stop().await.unwrap();
}

#[omniq::task]
async fn waits_for_another(ctx: omniq::TaskContext) -> anyhow::Result<u8> {
    let order = through_a_box::with("x".into());
    Ok(ctx.enqueue(order).await?.wait(CEILING).await?)
}

async fn a_fatal_error_of_a_task_is_not_fatal_for_the_task_that_waits_for_it(open: Open) {
    let omniq = omniq(open).await;
    let worker = omniq
        .worker()
        .task::<waits_for_another>()
        .task::<through_a_box>();
    let pool = worker.start().await.unwrap();
    let handle = omniq
        .enqueue(waits_for_another::with().max_attempts(2))
        .await
        .unwrap();
    let error = handle.wait(CEILING).await.unwrap_err();
    assert_eq!(error.task_error().unwrap().retry_count, 1, "{error}");
    pool.stop().await.unwrap();
}

#[omniq::task]
async fn doubled(bytes: ByteBuf, ratio: f64) -> (ByteBuf, f64) {
    (
        ByteBuf::from([bytes.as_slice(), &bytes].concat()),
        ratio * 2.0,
    )
}

async fn arguments_and_result_have_the_format_of_the_order(open: Open) {
    let settings = quick().serializer(Serializer::Json);
    let omniq = with(open(), settings).await;
    let pool = omniq.worker().task::<doubled>().start().await.unwrap();
    for serializer in [Serializer::Json, Serializer::Msgpack] {
        if !serializer.is_built_in() {
            continue;
        }
        let order = doubled::with(ByteBuf::from([0, 255]), 1.5).serializer(serializer);
        let handle = omniq.enqueue(order).await.unwrap();
        let back = handle.wait(CEILING).await.unwrap();
        assert_eq!(back, (ByteBuf::from([0, 255, 0, 255]), 3.0));
        let task = omniq.get_task(handle.id()).await.unwrap().unwrap();
        let formats = [task.payload.format, task.result.unwrap().format];
        assert_eq!(formats, [serializer.format(); 2]);
    }
    pool.stop().await.unwrap();
}

async fn a_pool_refuses_two_tasks_of_the_same_name(open: Open) {
    let omniq = omniq(open).await;
    let twice = omniq
        .worker()
        .task::<own_error>()
        .task::<own_error>()
        .start()
        .await;
    let error = twice.unwrap_err().to_string();
    assert!(error.contains("typed_tasks.own_error"), "{error}");
}
