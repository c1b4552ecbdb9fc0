//! Says once when a storage stops answering, and once when it answers again.

use std::time::Duration;

use omniq_core::Error;

const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// The condition of one kind of call, and how long to wait before the next try.
#[derive(Debug)]
pub(crate) struct StorageRetry {
    doing: &'static str,
    failing_with: Option<String>,
    wait: Duration,
}

impl StorageRetry {
    /// Nothing is wrong yet. `doing` names the call in the log.
    pub(crate) fn new(doing: &'static str) -> Self {
        Self {
            doing,
            failing_with: None,
            wait: FIRST_WAIT,
        }
    }

    /// Notes a failure; says how long to wait before the next try.
    pub(crate) fn failed(&mut self, error: &Error) -> Duration {
        let cause = cause(error);
        if self.failing_with.as_ref() != Some(&cause) {
            tracing::warn!(doing = self.doing, %error, "the storage fails; trying again");
            self.failing_with = Some(cause);
        }
        let wait = self.wait;
        self.wait = (self.wait * 2).min(LONGEST_WAIT);
        wait
    }

    /// Notes that it went well. To be called only when something was done: a claim that finds nothing
    /// to write goes well on a full disk, too.
    pub(crate) fn succeeded(&mut self) {
        if self.failing_with.take().is_some() {
            tracing::info!(doing = self.doing, "the storage works again");
            self.wait = FIRST_WAIT;
        }
    }
}

/// What is behind an error. One condition has several texts: with a full disk, some calls fail before the
/// commit and others at it.
fn cause(error: &Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use omniq_core::ErrorKind;

    use super::*;

    #[test]
    fn a_condition_is_its_cause() {
        let failed = |text: &str, source: &str| {
            Error::new(ErrorKind::Storage, text).with_source(source.to_owned())
        };
        let mut retry = StorageRetry::new("testing");
        retry.failed(&failed("nothing was changed", "no space"));
        let before = retry.failing_with.clone();
        retry.failed(&failed("nobody knows", "no space"));
        assert_eq!(retry.failing_with, before);
        retry.failed(&failed("nobody knows", "no disk"));
        assert_ne!(retry.failing_with, before);
        retry.failed(&Error::new(ErrorKind::Storage, "it is gone"));
        assert_eq!(retry.failing_with.as_deref(), Some("it is gone"));
    }

    #[test]
    fn waits_grow_until_it_is_over() {
        let mut retry = StorageRetry::new("testing");
        let error = Error::new(ErrorKind::Storage, "no");
        let waits: Vec<_> = (0..8).map(|_| retry.failed(&error)).collect();
        assert_eq!((waits[0], waits[1]), (FIRST_WAIT, FIRST_WAIT * 2));
        assert_eq!(waits[7], LONGEST_WAIT);
        retry.succeeded();
        assert_eq!(retry.failed(&error), FIRST_WAIT);
    }
}
