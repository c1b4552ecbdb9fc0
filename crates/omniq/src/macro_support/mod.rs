//! What the code of `#[omniq::task]` calls.
//!
//! A type that does not fit is refused once, at its place in the signature, by `argument`, `output` or `error`
//! of `returned.rs`. The compiler would then tell of the same again wherever the type is used. It picks a
//! function of the type itself before one of a trait, and the former are there only for what fits: so the rest
//! compiles to nothing instead.

mod return_type;
mod task_name;

use std::marker::PhantomData;

use omniq_core::{Order, Parameter, TaskError};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) use return_type::HandlerError;
pub use return_type::{Output, Plain, Probe, Returned, argument, error, output};
pub use task_name::{name_bytes, name_len};

use crate::{Handler, TaskContext};

/// An argument on its way into an order.
#[derive(Debug)]
pub struct Given<T>(PhantomData<T>);

impl<T: Serialize> Given<T> {
    /// The order with one more argument.
    pub fn add<O>(order: Order<O>, name: &'static str, value: T) -> Order<O> {
        order.parameter(name, value)
    }
}

/// What is seen of a [`Given`] that can't be written.
pub trait NotGiven<T>: Sized {
    /// Nothing: it was refused elsewhere.
    fn add<O>(order: Order<O>, _: &'static str, _: T) -> Order<O> {
        order
    }
}

impl<T> NotGiven<T> for Given<T> {}

/// A function of arguments `A` and a result `T`, on its way to a handler.
#[derive(Debug)]
pub struct Runs<A, T>(PhantomData<(A, T)>);

impl<A: DeserializeOwned, T: Serialize> Runs<A, T> {
    /// From an `async fn`.
    pub fn typed<F, Fut>(parameters: &'static [Parameter], function: F) -> Handler
    where
        F: Fn(TaskContext, A) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, TaskError>> + Send + 'static,
    {
        Handler::typed(parameters, function)
    }

    /// From a plain `fn`.
    pub fn typed_blocking<F>(parameters: &'static [Parameter], function: F) -> Handler
    where
        F: Fn(TaskContext, A) -> Result<T, TaskError> + Send + Sync + 'static,
    {
        Handler::typed_blocking(parameters, function)
    }
}

/// What is seen of a [`Runs`] whose arguments can't be read or whose result can't be written.
pub trait NotRun: Sized {
    /// It was refused elsewhere.
    fn typed<F>(_: &'static [Parameter], _: F) -> Handler {
        refused()
    }

    /// It was refused elsewhere.
    fn typed_blocking<F>(_: &'static [Parameter], _: F) -> Handler {
        refused()
    }
}

impl<A, T> NotRun for Runs<A, T> {}

/// The error of a function, on its way to a `TaskError`.
#[derive(Debug)]
pub struct Fails<E>(PhantomData<E>);

impl<E: HandlerError> Fails<E> {
    /// With its verdict, if it has one.
    pub fn with(error: E) -> TaskError {
        TaskError::from_error(error)
    }
}

/// What is seen of a [`Fails`] whose error can't be told.
pub trait NotFailed<E>: Sized {
    /// It was refused elsewhere.
    fn with(_: E) -> TaskError {
        not_compiled()
    }
}

impl<E> NotFailed<E> for Fails<E> {}

fn refused() -> Handler {
    Handler::blocking(|_, _| Err::<(), _>(not_compiled()))
}

fn not_compiled() -> TaskError {
    TaskError::fatal("the task did not compile")
}
