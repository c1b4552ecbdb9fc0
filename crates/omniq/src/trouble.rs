//! Says once when a storage stops answering, and once when it answers again.

use std::time::Duration;

use omniq_core::Error;

const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// The condition of one kind of call, and how long to wait before the next try.
#[derive(Debug)]
pub(crate) struct Trouble {
    doing: &'static str,
    failing_with: Option<String>,
    wait: Duration,
}

impl Trouble {
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
        let text = error.to_string();
        if self.failing_with.as_ref() != Some(&text) {
            tracing::warn!(doing = self.doing, error = %text, "the storage fails; trying again");
            self.failing_with = Some(text);
        }
        let wait = self.wait;
        self.wait = (self.wait * 2).min(LONGEST_WAIT);
        wait
    }

    /// Notes that it went well.
    pub(crate) fn over(&mut self) {
        if self.failing_with.take().is_some() {
            tracing::info!(doing = self.doing, "the storage works again");
            self.wait = FIRST_WAIT;
        }
    }
}
