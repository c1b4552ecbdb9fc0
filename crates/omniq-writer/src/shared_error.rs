//! One failure is told to many callers, so its cause is kept as a text.

use std::fmt;

use omniq_core::Error;

/// The same error once more, for another caller.
pub fn shared_error(error: &Error) -> Error {
    let told = Error::new(error.kind(), error.to_string());
    match std::error::Error::source(error) {
        Some(cause) => told.with_source(Cause::of(cause)),
        None => told,
    }
}

/// The text of a cause.
#[derive(Debug)]
pub struct Cause(String);

impl Cause {
    /// What this cause says.
    pub fn of(cause: &(impl fmt::Display + ?Sized)) -> Self {
        Self(cause.to_string())
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Cause {}
