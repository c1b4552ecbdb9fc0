//! Keeps the `-wal` small. SQLite can't use its space again while another program reads an old state of the database, or
//! while the reads of several programs overlap without a gap.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::monotonic;
use crate::open::Opened;
use crate::pragmas::{self, MAX_WAL};

/// How long the first attempt waits for other programs to end their reads. Each further attempt waits twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(20);
const LONGEST_WAIT: Duration = Duration::from_millis(200);

/// Attempts take at most a twentieth of the time.
const PAUSE_PER_WAIT: u32 = 20;
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// The attempts to truncate a `-wal` that is too large.
#[derive(Default)]
pub(crate) struct WalSize {
    blocked: Option<Blocked>,
}

/// The last attempt did not succeed.
struct Blocked {
    wait: Duration,
    next_attempt: Instant,
}

impl WalSize {
    /// Truncates the `-wal` if it is too large and no other program prevents that. Returns when to try again. A failure
    /// here changes no answer to a caller.
    pub(crate) fn limit(&mut self, opened: &Opened, path: &Path) -> Option<Duration> {
        if opened.wal_length() <= MAX_WAL {
            if self.blocked.take().is_some() {
                pragmas::checkpoint_automatically(opened, path, true);
            }
            return None;
        }
        let now = monotonic::now();
        let wait = match &self.blocked {
            Some(blocked) if now < blocked.next_attempt => {
                return Some(blocked.next_attempt - now);
            }
            Some(blocked) => LONGEST_WAIT.min(blocked.wait * 2),
            None => FIRST_WAIT,
        };
        let before = opened.wal_length();
        let result = pragmas::checkpoint(opened, path, "TRUNCATE", wait);
        if opened.read_wal_length() <= MAX_WAL {
            if self.blocked.take().is_some() {
                pragmas::checkpoint_automatically(opened, path, true);
                tracing::info!(storage = %path.display(), "the -wal is small again");
            }
            return None;
        }
        let pause = SHORTEST_PAUSE.max(wait * PAUSE_PER_WAIT);
        let is_first = self.blocked.is_none();
        self.blocked = Some(Blocked {
            wait,
            next_attempt: monotonic::now() + pause,
        });
        if is_first {
            // Each of SQLite's own attempts, one per commit, would read the index of the whole `-wal` in vain.
            pragmas::checkpoint_automatically(opened, path, false);
            let error = result.err().map(|error| error.chain().to_string());
            tracing::warn!(
                storage = %path.display(),
                bytes = before,
                error = error.as_deref(),
                "the -wal grows, and reads and writes become slower, because another program keeps a read \
                 transaction open (or the reads of several programs overlap): keep read transactions short. The space \
                 is given back after they end"
            );
        }
        Some(pause)
    }
}
