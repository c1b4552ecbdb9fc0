//! Tasks that are functions: what they may return, and what becomes of it.

use std::io;

use anyhow::Context as _;
use omniq::{ErrorKind, ResultExt as _, Serializer, TaskError, TaskHandle};
use serde_bytes::ByteBuf;

use crate::setup::*;

scenarios!(
    every_kind_of_error_fails_the_task_and_is_told,
    a_verdict_survives_every_wrapper,
    a_task_of_another_task_does_not_pass_its_verdict_on,
    values_travel_in_the_format_of_their_order,
    a_pool_takes_one_task_of_each_name,
);

#[derive(Debug)]
enum Trouble {
    NoSuchUser,
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no such user")
    }
}

impl std::error::Error for Trouble {}

type Boxed = Box<dyn std::error::Error + Send + Sync>;
type Hidden = Result<u8, Trouble>;

#[omniq::task]
async fn own() -> Hidden {
    Err(Trouble::NoSuchUser)
}

#[omniq::task]
fn of_the_system() -> io::Result<u8> {
    Err(io::Error::other("the disk is gone"))
}

#[omniq::task]
async fn plain_text() -> Result<u8, &'static str> {
    Err("it broke")
}

#[omniq::task]
async fn by_anyhow() -> anyhow::Result<u8> {
    Err(io::Error::other("the disk is gone")).context("can't save")
}

#[omniq::task]
async fn by_eyre() -> eyre::Result<u8> {
    Err(eyre::eyre!("the disk is gone").wrap_err("can't save"))
}

async fn every_kind_of_error_fails_the_task_and_is_told(open: Open) {
    let omniq = omniq(open).await;
    let worker = omniq.worker().task::<own>().task::<of_the_system>();
    let worker = worker.task::<plain_text>().task::<by_anyhow>();
    let pool = worker.task::<by_eyre>().start().await.unwrap();
    let orders = [own::with(), of_the_system::with(), plain_text::with()];
    let wrapped = [by_anyhow::with(), by_eyre::with()];
    let orders = orders.into_iter().chain(wrapped);
    let handles = omniq.enqueue_many(orders.map(|order| order.max_attempts(1)));
    let told = TaskHandle::wait_all(&handles.await.unwrap(), CEILING).await;
    let told = told.into_iter().map(|result| {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TaskFailed);
        let error = error.task_error().unwrap().clone();
        assert!(error.is_retryable, "{error}");
        let causes = error.traceback.unwrap_or_default();
        let first = causes.lines().next().unwrap_or_default().to_owned();
        (error.error_type, error.message, first)
    });
    let told: Vec<_> = told.collect();
    let told: Vec<_> = told
        .iter()
        .map(|(a, b, c)| (a.as_str(), b.as_str(), c.as_str()))
        .collect();
    let cause = "caused by: the disk is gone";
    let expected = [
        ("Trouble", "no such user", ""),
        ("Error", "the disk is gone", ""),
        ("Error", "it broke", ""),
        ("Error", "can't save", cause),
        ("Report", "can't save", cause),
    ];
    assert_eq!(told, expected);
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
fn through_the_system(text: String) -> io::Result<u8> {
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
    let pool = worker.task::<through_the_system>().start().await.unwrap();
    let text = || "x".to_owned();
    let orders = [
        through_anyhow::with(text()),
        through_anyhow_with_context::with(text()),
        through_eyre::with(text()),
        through_a_box::with(text()),
        through_the_system::with(text()),
    ];
    for handle in omniq.enqueue_many(orders).await.unwrap() {
        let error = handle.wait(CEILING).await.unwrap_err();
        let told = error.task_error().unwrap();
        assert_eq!(
            (told.is_retryable, told.retry_count),
            (false, 0),
            "{told:?}"
        );
        let whole = format!("{told:?}");
        assert!(whole.contains("invalid digit"), "{whole}");
    }
    pool.stop().await.unwrap();
}

#[omniq::task]
async fn asks(ctx: omniq::TaskContext) -> anyhow::Result<u8> {
    let order = through_a_box::with("x".into());
    Ok(ctx.enqueue(order).await?.wait(CEILING).await?)
}

async fn a_task_of_another_task_does_not_pass_its_verdict_on(open: Open) {
    let omniq = omniq(open).await;
    let worker = omniq.worker().task::<asks>().task::<through_a_box>();
    let pool = worker.start().await.unwrap();
    let handle = omniq.enqueue(asks::with().max_attempts(2)).await.unwrap();
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

async fn values_travel_in_the_format_of_their_order(open: Open) {
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

async fn a_pool_takes_one_task_of_each_name(open: Open) {
    let omniq = omniq(open).await;
    let twice = omniq.worker().task::<own>().task::<own>().start().await;
    let error = twice.unwrap_err().to_string();
    assert!(
        error.contains("it.typed.own") || error.contains("typed.own"),
        "{error}"
    );
}
