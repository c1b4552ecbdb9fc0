use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use omniq_core::{Result, Storage, Timestamp};
use tokio::sync::watch;

use crate::clock::{Clock, Reading};
use crate::{AsyncOmniQ, AsyncTaskQueue, OmniQ, Settings};

/// A clock that moves only on command, so that days pass in a moment. Clones are the same clock.
///
/// A queue that [`open`](Self::open) opened uses this clock for everything about tasks: etas, delays, retries, intervals,
/// time limits, retention, and all times that are stored or reported.
///
/// Everything about the process stays on the real clock: leases, the sweep, the safety check, the grace of a stopping pool,
/// and the time limits of waits. So a running pool keeps its leases, however far this clock moves. Processes do not share
/// the clock: if several of them use one storage, each passes its own times to it.
///
/// ```
/// # use std::{sync::Arc, time::Duration};
/// use omniq::testing::ManualClock;
/// # use omniq::{Args, MemoryStorage, Settings, TaskContext, TaskError, TaskStatus, call};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> omniq::Result<()> {
/// let clock = ManualClock::new();
/// let omniq = clock.open(Arc::new(MemoryStorage::new()), Settings::default()).await?;
/// let remind = |_: TaskContext, _: Args| async { Ok::<_, TaskError>("it is time") };
/// let pool = omniq.worker().handler("remind", remind).start().await?;
///
/// let in_three_days = Duration::from_secs(3 * 86_400);
/// let handle = omniq.enqueue(call("remind").delay(in_three_days)).await?;
/// assert_eq!(handle.status().await?, TaskStatus::Pending);
///
/// clock.advance(in_three_days);
/// assert_eq!(handle.wait(Duration::from_secs(10)).await?, "it is time");
/// pool.stop().await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct ManualClock {
    readings: watch::Sender<Reading>,
}

impl ManualClock {
    /// Returns a clock that stands still at the current time.
    pub fn new() -> Self {
        Self::at(Clock::system().now())
    }

    /// Returns a clock that stands still at this time.
    pub fn at(wall: impl Into<Timestamp>) -> Self {
        let (wall, passed) = (wall.into(), Duration::ZERO);
        Self {
            readings: watch::Sender::new(Reading { wall, passed }),
        }
    }

    /// Opens a queue whose tasks follow this clock, otherwise like [`AsyncOmniQ::with_storage`].
    pub async fn open(&self, storage: Arc<dyn Storage>, settings: Settings) -> Result<AsyncOmniQ> {
        AsyncOmniQ::with_clock(storage, settings, self.clock()).await
    }

    /// Opens a blocking queue whose tasks follow this clock, otherwise like [`OmniQ::with_storage`].
    pub fn open_blocking(&self, storage: Arc<dyn Storage>, settings: Settings) -> Result<OmniQ> {
        OmniQ::open(self.open(storage, settings))
    }

    /// Opens a queue without pools whose tasks follow this clock, otherwise like [`AsyncTaskQueue::new`].
    pub fn queue(&self, storage: Arc<dyn Storage>, settings: &Settings) -> Result<AsyncTaskQueue> {
        AsyncTaskQueue::with_clock(storage, settings, self.clock())
    }

    /// Returns the current time of this clock.
    pub fn now(&self) -> Timestamp {
        self.readings.borrow().wall
    }

    /// Moves the clock forwards by `span`, to the microsecond.
    ///
    /// Everything that becomes due in between is due now: delayed tasks, retries, time limits, retention. A task with an
    /// interval runs once, however many intervals have passed, because its next run counts from the end of the last one.
    ///
    /// It returns immediately, and the pools react afterwards: wait for them with a handle or with
    /// [`AsyncOmniQ::events`].
    pub fn advance(&self, span: Duration) {
        self.readings.send_modify(|reading| {
            reading.wall = reading.wall.after(span);
            // The cap leaves room for more time, so that a new time limit has never expired at its beginning.
            reading.passed = reading.passed.saturating_add(span).min(Duration::MAX / 2);
        });
    }

    /// Sets the clock forwards or backwards, as an administrator or a time server does.
    ///
    /// No time passes, so no time limit is reached. A pool notices the tasks that a jump forwards makes due at its next
    /// safety check: see [`SettingsBuilder::poll_interval`](crate::SettingsBuilder::poll_interval).
    pub fn jump_to(&self, wall: impl Into<Timestamp>) {
        let wall = wall.into();
        self.readings.send_modify(|reading| reading.wall = wall);
    }

    fn clock(&self) -> Clock {
        Clock::manual(self.readings.clone())
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManualClock")
            .field("now", &self.now())
            .finish_non_exhaustive()
    }
}
