//! What a task's function gives back: a value, or a `Result`, whatever alias that hides behind.
//!
//! `#[omniq::task]` asks [`Probe`] whether the return type is a `Result`, and picks the half of [`Returned`]
//! that fits. Both are decided by the compiler from the type itself, so no alias can pass a failure off as a
//! success.

use std::convert::Infallible;
use std::error::Error as StdError;
use std::marker::PhantomData;

use omniq_core::Result;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Becomes the outcome of an attempt. A `Result` does so whatever its error is: [`error`] refuses one that
/// can't be told.
pub trait Returned<const FALLIBLE: bool> {
    /// What it returns when all is well.
    type Value;

    /// What it returns when it is not.
    type Error;

    /// One or the other.
    fn into_result(self) -> Result<Self::Value, Self::Error>;
}

impl<T> Returned<false> for T {
    type Value = T;
    type Error = Infallible;

    fn into_result(self) -> Result<T, Infallible> {
        Ok(self)
    }
}

impl<T, E> Returned<true> for Result<T, E> {
    type Value = T;
    type Error = E;

    fn into_result(self) -> Self {
        self
    }
}

/// Asks of a type whether it is a `Result`.
#[derive(Debug)]
pub struct Probe<R>(PhantomData<R>);

impl<T, E> Probe<Result<T, E>> {
    /// It is one.
    pub const FALLIBLE: bool = true;
}

/// What is seen of a [`Probe`] where it does not know better itself.
pub trait Plain {
    /// It is none.
    const FALLIBLE: bool = false;
}

impl<R> Plain for Probe<R> {}

/// The error of a task's function.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be the error of a task",
    label = "not an error that can be sent between threads",
    note = "use an error type that is `Error + Send + Sync + 'static`, `Box<dyn Error + Send + Sync>`, \
            `anyhow::Error` or `omniq::TaskError`"
)]
pub trait HandlerError: Into<Box<dyn StdError + Send + Sync>> + 'static {}

#[diagnostic::do_not_recommend]
impl<E: Into<Box<dyn StdError + Send + Sync>> + 'static> HandlerError for E {}

/// A value that can be an argument.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be an argument of a task",
    label = "this parameter can't be written to the queue and read again",
    note = "derive `serde::Serialize` and `serde::Deserialize` for each type of yours in it"
)]
pub trait Argument: Serialize + DeserializeOwned + Send + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + Send + 'static> Argument for T {}

/// A value that can be a result.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be the result of a task",
    label = "this result can't be written to the queue and read again",
    note = "derive `serde::Serialize` and `serde::Deserialize` for each type of yours in it"
)]
pub trait Output: Serialize + DeserializeOwned + Send + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + Send + 'static> Output for T {}

/// Compiles only for a type that can be an argument.
pub const fn argument<T: Argument>() {}

/// Compiles only for a type that can be a result.
pub const fn output<T: Output>() {}

/// Compiles only for a type that can be the error of a task.
pub const fn error<E: HandlerError>() {}
