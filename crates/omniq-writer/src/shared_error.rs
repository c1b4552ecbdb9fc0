//! Errors that several callers get, with the text of their cause instead of the cause itself.

use std::fmt;

use omniq_core::Error;

/// Returns the same error for another caller: kind, text and the text of the cause, without any marks.
pub fn shared_error(error: &Error) -> Error {
    let shared = Error::new(error.kind(), error.to_string());
    match std::error::Error::source(error) {
        Some(cause) => shared.with_source(Cause::of(cause)),
        None => shared,
    }
}

/// The text of a cause.
#[derive(Debug)]
pub struct Cause(String);

impl Cause {
    /// Returns the text of this cause.
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
