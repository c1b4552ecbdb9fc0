//! Decides how long to wait after a failed storage call. Logs once when calls begin to fail, and once when they succeed
//! again.

use std::time::Duration;

use omniq_core::Error;

const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Whether one kind of call fails at present, and how long to wait before the next try.
#[derive(Debug)]
pub(crate) struct StorageRetry {
    /// What the call does, for the log.
    doing: &'static str,
    /// The root cause of the last failure that was logged, until a call succeeds.
    failing_with: Option<String>,
    wait: Duration,
}

impl StorageRetry {
    /// Creates the state of a call that has not failed. `doing` names the call in the log.
    pub(crate) fn new(doing: &'static str) -> Self {
        Self {
            doing,
            failing_with: None,
            wait: FIRST_WAIT,
        }
    }

    /// Records a failure. Returns how long to wait before the next try.
    pub(crate) fn failed(&mut self, error: &Error) -> Duration {
        let cause = root_cause(error);
        if self.failing_with.as_ref() != Some(&cause) {
            tracing::warn!(doing = self.doing, error = %error.chain(), "the storage fails; trying again");
            self.failing_with = Some(cause);
        }
        let wait = self.wait;
        self.wait = (self.wait * 2).min(LONGEST_WAIT);
        wait
    }

    /// Records a success. Call this only if something was written or read: a claim that finds nothing to write succeeds
    /// on a full disk, too.
    pub(crate) fn succeeded(&mut self) {
        if self.failing_with.take().is_some() {
            tracing::info!(doing = self.doing, "the storage works again");
            self.wait = FIRST_WAIT;
        }
    }
}

/// Returns the text of the last error in the chain. The same condition has several texts: if the disk is full, some calls
/// fail before the commit and others during it.
fn root_cause(error: &Error) -> String {
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
    fn failures_with_the_same_root_cause_are_one_condition() {
        let failed = |text: &str, source: &str| {
            Error::new(ErrorKind::Storage, text).with_source(source.to_owned())
        };
        let mut retry = StorageRetry::new("testing");
        retry.failed(&failed("not committed", "no space"));
        let before = retry.failing_with.clone();
        retry.failed(&failed("unknown", "no space"));
        assert_eq!(retry.failing_with, before);
        retry.failed(&failed("unknown", "no disk"));
        assert_ne!(retry.failing_with, before);
        retry.failed(&Error::new(ErrorKind::Storage, "disconnected"));
        assert_eq!(retry.failing_with.as_deref(), Some("disconnected"));
    }

    #[test]
    fn waits_grow_until_a_call_succeeds() {
        let mut retry = StorageRetry::new("testing");
        let error = Error::new(ErrorKind::Storage, "no");
        let waits: Vec<_> = (0..8).map(|_| retry.failed(&error)).collect();
        assert_eq!((waits[0], waits[1]), (FIRST_WAIT, FIRST_WAIT * 2));
        assert_eq!(waits[7], LONGEST_WAIT);
        retry.succeeded();
        assert_eq!(retry.failed(&error), FIRST_WAIT);
    }
}
