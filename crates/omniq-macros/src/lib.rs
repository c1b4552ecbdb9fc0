//! `#[omniq::task]`: makes a task of a function. Use it through the `omniq` crate, which explains it.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod durations;
mod function;
mod generate;
mod nearest;
mod options;
mod orders;
mod parameters;
mod problems;
mod returned;
mod runs;
mod signature;
mod task;
mod types;
mod unique_key;
mod value;

use proc_macro::TokenStream;

/// Makes a task of a function.
///
/// The function stays what it is. Beside it comes a type of the same name, whose `with` takes the arguments
/// and makes an order for the queue; a worker pool that was given the type runs the function.
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
/// An `async fn` runs on the runtime, and must not block its thread for long; a plain `fn` runs on a thread for
/// blocking work.
///
/// # Options
///
/// They are the defaults of the type's orders; an order can say otherwise.
///
/// | option | meaning |
/// | --- | --- |
/// | `name = "images.resize"` | the name in the queue; else the module's path below the crate and the function's name, joined by dots. Tasks that wait keep their name: set one before you move a function |
/// | `queue = "images"` | the line to stand in |
/// | `priority = -5` | the higher, the sooner; 0 if there is none |
/// | `max_attempts = 5` | how many executions there are at most, the first included |
/// | `timeout = "30s"` | the time limit of one attempt |
/// | `interval = "1h"` | again, so long after each finish |
/// | `backoff = "10s"`, `"1s..60s"` | the wait before another attempt: always the same, or twice as long each time up to the second |
/// | `unique_key = "{path}-{width}"` | while a task with this key is unfinished, another enqueue answers with it. The names are those of the arguments, written as `format!` does |
/// | `order = Resize` | the name of the type; needed where a module or a type is called as the function is |
/// | `crate = "::my_crate::omniq"` | where the omniq crate is, for macros of other crates |
///
/// `timeout`, `interval` and `backoff` also take an expression, such as `timeout = Duration::from_millis(50)`,
/// which is worked out for each order.
///
/// An order by name ([`omniq::call`](https://docs.rs/omniq/latest/omniq/fn.call.html)) knows none of them, apart
/// from the parameters' defaults.
///
/// # Parameters
///
/// The first ones may be handed in by the pool: a `TaskContext`, and a `State<T>` for each `T` that the pool was
/// given by `worker().state(value)`; a pool without it refuses to start. They are known by these names.
///
/// All others are arguments. They are owned values that `serde` can write and read, at most 16. With
/// `#[omniq(default = 640)]` or `#[omniq(default)]`, a call by name may leave one out.
///
/// ```
/// use omniq::{State, TaskContext};
///
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
///     ctx.progress(0.5, "half way");
///     Ok(format!("{}/{width}/{path}", thumbnails.folder))
/// }
///
/// let order = resize::with("cat.png".into(), 320);
/// let by_name = omniq::call("resize").kwarg("path", "cat.png");
/// ```
///
/// # What it returns
///
/// A value that `serde` can write and read, or a `Result` of one, whatever alias that hides behind. The error is
/// anything that becomes a `Box<dyn Error + Send + Sync>`, `anyhow::Error` and `TaskError` included; a failure is
/// never taken for a value.
///
/// # Beside the function
///
/// The type and the function share a name, each in a namespace of its own. In documentation, ``[`resize()`]``
/// leads to the function and ``[`struct@resize`]`` to the type; ``[`resize`]`` could be either, and rustdoc says so.
/// The type's documentation leads to the function's.
#[proc_macro_attribute]
pub fn task(attribute: TokenStream, item: TokenStream) -> TokenStream {
    task::expand(attribute.into(), item.into()).into()
}
