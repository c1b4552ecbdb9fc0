//! Provides `#[omniq::task]`, which turns a function into a task. Use it through the `omniq` crate, whose documentation explains it.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod durations;
mod expand;
mod function;
mod generate;
mod handler_impl;
mod lints;
mod nearest;
mod options;
mod order_impl;
mod parameters;
mod problems;
mod return_type;
mod signature;
mod task;
mod types;
mod unique_key;
mod value;

use proc_macro::TokenStream;

/// Turns a function into a task.
///
/// The function itself does not change. The attribute generates a type of the same name beside it, whose `with` takes the
/// arguments and makes an order for the queue; a worker pool to which the type was added runs the function.
///
/// ```
/// use std::time::Duration;
///
/// use omniq::{AsyncOmniQ, TaskError};
///
/// #[omniq::task(max_attempts = 5, timeout = "30s", queue = "images")]
/// async fn resize(path: String, width: u32) -> Result<usize, TaskError> {
///     Ok(path.len() * width as usize)
/// }
///
/// #[tokio::main]
/// async fn main() -> omniq::Result<()> {
///     let omniq = AsyncOmniQ::connect("memory:").await?;
///     let pool = omniq.worker().task::<resize>().start().await?;
///
///     let order = resize::with("cat.png".into(), 640).priority(10);
///     let handle = omniq.enqueue(order).await?;
///     assert_eq!(handle.wait(Duration::from_secs(30)).await?, 4480);
///
///     pool.stop().await?;
///     Ok(())
/// }
/// ```
///
/// An `async fn` runs on the async runtime, and must not block its thread for long; a plain `fn` runs on a thread for
/// blocking work.
///
/// # Options
///
/// They are the defaults of the type's orders; an order can override all of them except `name`, `order` and `crate`.
///
/// | option | meaning |
/// | --- | --- |
/// | `name = "images.resize"` | the name in the queue; by default, the module's path below the crate and the function's name, joined by dots. Tasks that are already in the queue keep their name: set one before you move a function to another module |
/// | `queue = "images"` | the queue to which its tasks are added |
/// | `priority = -5` | tasks with a higher priority run first; 0 by default |
/// | `max_attempts = 5` | the maximum number of executions, including the first |
/// | `timeout = "30s"` | the time limit of one attempt |
/// | `interval = "1h"` | the next run begins this long after the previous one has finished |
/// | `backoff = "10s"`, `"1s..60s"` | the wait before another attempt: always the same, or starting with the first duration and doubling each time, up to the second |
/// | `unique_key = "{path}-{width}"` | while a task with this key is unfinished, another enqueue returns that task. The names in braces are arguments, formatted as by `format!` |
/// | `order = Resize` | the name of the generated type; needed where a module or a type has the same name as the function |
/// | `crate = "::my_crate::omniq"` | where the omniq crate is, for macros of other crates |
///
/// `timeout`, `interval` and `backoff` also take an expression, such as `timeout = Duration::from_millis(50)`,
/// which is evaluated for each order.
///
/// An order by name ([`omniq::call`](https://docs.rs/omniq/latest/omniq/fn.call.html)) has none of these
/// defaults. Only the default values of parameters apply to it.
///
/// # Parameters
///
/// The first ones may be provided by the worker pool: a `TaskContext`, and a `State<T>` for each `T` that was added to the pool
/// by `worker().state(value)`; a pool without that state refuses to start. Each execution gets a clone of
/// the state, which the function may destructure: `State(db): State<Db>`. The attribute recognises both types by these names.
///
/// All others are arguments. They are owned values that `serde` can write and read, at most 16. With
/// `#[omniq(default = 640)]` or `#[omniq(default)]`, a call by name may leave one out.
///
/// ```
/// use omniq::{State, TaskContext};
///
/// #[derive(Clone)]
/// struct Thumbnails {
///     folder: String,
/// }
///
/// #[omniq::task(unique_key = "{path}", backoff = "1s..60s")]
/// fn resize(
///     ctx: TaskContext,
///     thumbnails: State<Thumbnails>,
///     path: String,
///     #[omniq(default = 640)] width: u32,
/// ) -> std::io::Result<String> {
///     ctx.progress(0.5, "halfway");
///     Ok(format!("{}/{width}/{path}", thumbnails.folder))
/// }
///
/// let order = resize::with("cat.png".into(), 320);
/// let by_name = omniq::call("resize").kwarg("path", "cat.png");
/// ```
///
/// # Return type
///
/// A function returns a value that `serde` can write and read, or a `Result` of one, directly or behind a type alias. The error
/// is any type that can be converted into a `Box<dyn Error + Send + Sync>`, such as `anyhow::Error` and `TaskError`; a
/// failure is never mistaken for a value.
///
/// # Two items of one name
///
/// The type and the function have the same name, in separate namespaces. In documentation, ``[`resize()`]`` links to the
/// function and ``[`struct@resize`]`` to the type; ``[`resize`]`` is ambiguous, and rustdoc warns about it. The
/// documentation of the type links to the function.
#[proc_macro_attribute]
pub fn task(attribute: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(attribute.into(), item.into()).into()
}
