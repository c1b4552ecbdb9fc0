//! Marks an error as fatal or retryable where it happens.

use std::error::Error as StdError;

use crate::TaskError;

/// Marks an error as fatal or retryable.
///
/// ```
/// use omniq_core::{ResultExt as _, TaskError};
///
/// fn read(text: &str) -> Result<u8, TaskError> {
///     // A text that is not a number will not become one.
///     let number = text.parse::<u8>().fatal()?;
///     std::fs::metadata("/proc/self").retryable()?;
///     Ok(number)
/// }
/// assert!(!read("x").unwrap_err().is_retryable);
/// ```
///
/// The mark survives `?` into `anyhow::Error` and `Box<dyn Error + Send + Sync>`, even with context added.
pub trait ResultExt<T> {
    /// Converts the error into one that another attempt can't repair: the remaining attempts are skipped.
    ///
    /// # Errors
    ///
    /// The converted error.
    fn fatal(self) -> Result<T, TaskError>;

    /// Converts the error into one that another attempt may repair, even if it was marked as fatal before.
    ///
    /// # Errors
    ///
    /// The converted error.
    fn retryable(self) -> Result<T, TaskError>;
}

impl<T, E> ResultExt<T> for Result<T, E>
where
    E: Into<Box<dyn StdError + Send + Sync>> + 'static,
{
    fn fatal(self) -> Result<T, TaskError> {
        self.map_err(|e| TaskError::from_error(e).with_retryable(false))
    }

    fn retryable(self) -> Result<T, TaskError> {
        self.map_err(|e| TaskError::from_error(e).with_retryable(true))
    }
}

#[cfg(test)]
mod tests {
    use std::fmt;
    use std::io;
    use std::time::Duration;

    use super::*;

    type Boxed = Box<dyn StdError + Send + Sync>;

    /// A wrapper that hides the error in it: only its text and its causes can be seen.
    #[derive(Debug)]
    struct Opaque(TaskError);

    impl fmt::Display for Opaque {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.fmt(f)
        }
    }

    impl StdError for Opaque {
        fn source(&self) -> Option<&(dyn StdError + 'static)> {
            self.0.source()
        }
    }

    /// A wrapper that adds a text.
    #[derive(Debug)]
    struct Context(Boxed);

    impl fmt::Display for Context {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("while saving")
        }
    }

    impl StdError for Context {
        fn source(&self) -> Option<&(dyn StdError + 'static)> {
            Some(&*self.0)
        }
    }

    fn context(error: impl Into<Boxed>) -> Context {
        Context(error.into())
    }

    #[test]
    fn a_verdict_is_found_at_any_depth() {
        let fatal = || "x".parse::<u8>().fatal().unwrap_err();
        let again = || TaskError::retry_after(Duration::from_secs(9));
        for error in [
            TaskError::from_error(fatal()),
            TaskError::from_error(Boxed::from(fatal())),
            TaskError::from_error(context(context(fatal()))),
        ] {
            assert!(!error.is_retryable);
            assert_eq!(error.error_type, "ParseIntError");
        }
        assert!(!TaskError::from_error(context(Opaque(fatal()))).is_retryable);
        assert!(!TaskError::from_error(io::Error::other(fatal())).is_retryable);
        for error in [
            TaskError::from_error(context(again())),
            TaskError::from_error(context(Opaque(again()))),
        ] {
            assert!(error.is_retryable);
            assert_eq!(error.requested_wait(), Some(Duration::from_secs(9)));
        }
        let plain = TaskError::from_error(context("no space"));
        assert!(plain.is_retryable);
    }

    #[test]
    fn no_text_is_lost_under_a_wrapper_that_hides_the_error() {
        let first = Err::<(), _>(context(io::Error::other("no disk"))).fatal();
        let first = first.unwrap_err();
        assert_eq!(TaskError::from_error(Opaque(first.clone())), first);
        let later = TaskError::from_error(context(Opaque(first)));
        assert_eq!(
            (later.error_type.as_str(), later.message.as_str()),
            ("Context", "while saving")
        );
        let causes = "caused by: Context: while saving\ncaused by: no disk";
        assert_eq!(later.traceback.as_deref(), Some(causes));
    }

    /// An error that is its own cause by mistake.
    #[derive(Debug)]
    struct Endless;

    impl fmt::Display for Endless {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("again")
        }
    }

    impl StdError for Endless {
        fn source(&self) -> Option<&(dyn StdError + 'static)> {
            Some(self)
        }
    }

    #[test]
    fn an_endless_chain_is_cut_off() {
        let error = TaskError::from_error(Endless);
        assert_eq!(error.traceback.unwrap_or_default().lines().count(), 63);
    }

    #[test]
    fn the_outermost_verdict_wins() {
        let retryable = Err::<(), _>(TaskError::fatal("x")).retryable();
        assert!(retryable.unwrap_err().is_retryable);
        let fatal = Err::<(), _>(context(TaskError::retry_after(Duration::from_secs(9)))).fatal();
        let error = fatal.unwrap_err();
        assert!(!error.is_retryable);
        assert_eq!(error.requested_wait(), None);
    }

    #[test]
    fn the_failure_of_another_task_is_not_a_verdict() {
        let theirs = TaskError::fatal("x").settled(crate::Timestamp(1), 0);
        assert!(TaskError::from_error(context(theirs)).is_retryable);
    }

    #[test]
    fn traceback_has_causes_and_no_verdicts() {
        let error = TaskError::from_error(context(Opaque(TaskError::fatal("no disk"))));
        assert_eq!(error.message, "while saving");
        assert_eq!(
            error.traceback.as_deref(),
            Some("caused by: Error: no disk")
        );
    }
}
