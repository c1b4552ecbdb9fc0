//! Detects whether a task's function returns a plain value or a `Result`, and checks the types of its signature.
//!
//! `#[omniq::task]` reads from [`Probe`] whether the return type is a `Result`, and uses the implementation of
//! [`Returned`] for that case. The compiler decides both from the type itself, so a `Result` behind a type alias is
//! recognised, too, and its failure can't be stored as a success.

use std::convert::Infallible;
use std::error::Error as StdError;
use std::marker::PhantomData;

use omniq_core::Result;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The return value of a task's function. A `Result` implements it for any error type: [`error`] rejects unsuitable ones.
pub trait Returned<const FALLIBLE: bool> {
    /// The type of the value in case of success.
    type Value;

    /// The type of the error in case of failure.
    type Error;

    /// Converts the return value to a `Result`.
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

/// Shows whether the type `R` is a `Result`: by this constant for a `Result`, by that of [`Plain`] for other types.
#[derive(Debug)]
pub struct Probe<R>(PhantomData<R>);

impl<T, E> Probe<Result<T, E>> {
    /// The type is a `Result`.
    pub const FALLIBLE: bool = true;
}

/// The fallback of [`Probe`] for types that are not a `Result`.
pub trait Plain {
    /// The type is not a `Result`.
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
