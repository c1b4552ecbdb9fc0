//! Tasks in modules and functions, from macros, behind `cfg`, and with another path to the omniq crate.
#![deny(warnings)]
#![allow(unreachable_pub, clippy::let_underscore_future)]

mod reexported {
    pub mod queue {
        pub use ::omniq::*;
    }
}

mod r#type {
    #[omniq::task]
    pub fn inside() {}
}

#[reexported::queue::task(crate = "crate::reexported::queue", backoff = "1s..60s")]
async fn renamed(path: String, #[omniq(default)] width: u32) -> String {
    format!("{path}{width}")
}

macro_rules! tasks {
    ($($name:ident($ty:ty) in $queue:literal, $priority:expr;)*) => {$(
        #[omniq::task(queue = $queue, priority = $priority)]
        fn $name(value: $ty) -> $ty {
            value
        }
    )*};
}

tasks! {
    first(bool) in "a", -1;
    second(Vec<u8>) in "b", 2;
}

#[omniq::task]
#[cfg(any())]
fn absent(nothing: OfTheSort) {}

#[cfg(any())]
#[omniq::task]
fn absent(nothing: OfTheSort) {}

#[omniq::task]
#[cfg(not(any()))]
fn present() {}

type Answer = Result<u32, std::io::Error>;

#[omniq::task]
fn alias() -> Answer {
    Ok(42)
}

#[omniq::task]
async fn formatted() -> std::fmt::Result {
    Ok(())
}

#[omniq::task]
fn read() -> std::io::Result<Option<u8>> {
    Ok(None)
}

#[omniq::task]
async fn borrowed_error(text: std::borrow::Cow<'static, str>) -> Result<u8, &'static str> {
    text.parse().map_err(|_| "no number")
}

#[omniq::task]
async fn again(ctx: omniq::TaskContext, left: u32) -> Result<(), omniq::TaskError> {
    if left > 0 {
        ctx.enqueue(again::with(left - 1))
            .await
            .map_err(omniq::TaskError::retryable)?;
        ctx.then(there_and_back::with(left))
            .map_err(omniq::TaskError::retryable)?;
    }
    Ok(())
}

#[omniq::task]
async fn there_and_back(ctx: omniq::TaskContext, left: u32) -> omniq::Result<()> {
    let omniq = omniq::AsyncOmniQ::connect("memory:").await?;
    drop(omniq.worker().task::<again>().task::<there_and_back>());
    ctx.then(again::with(left))
}

fn main() {
    #[omniq::task]
    fn local(a: u8) -> u8 {
        a
    }

    use omniq::{Order, TaskDef};
    let _: Order<u8> = local::with(local(3));
    let _: Order<String> = renamed::with("a".into(), 1);
    let _ = renamed("a".into(), 1);
    let _: Order<bool> = first::with(first(true));
    let _: Order<Vec<u8>> = second::with(second(vec![]));
    let _: Order<()> = present::with();
    let _: Order<()> = r#type::inside::with();
    let _: Order<u32> = alias::with();
    let _: Order<()> = formatted::with();
    let _: Order<Option<u8>> = read::with();
    let _: Order<u8> = borrowed_error::with("7".into());
    assert_eq!((local::NAME, first::NAME), ("local", "first"));
    assert_eq!(r#type::inside::NAME, "type.inside");
}
