use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use omniq_core::{Result, Storage, Timestamp};
use tokio::sync::watch;

use crate::clock::{Clock, Reading};
use crate::{AsyncOmniQ, AsyncTaskQueue, Settings};

/// A clock that moves only when it is told to: days pass in a moment. Clones are the same clock.
///
/// A queue that [`open`](Self::open) opened takes the time of its tasks from this clock: their etas, delays,
/// retries, intervals, time limits and retention, and every time that is kept or told.
///
/// All else stays on the real clock, because it is about the process and not about tasks: leases, the look
/// for lost owners, the safety check, a stopping pool's grace, and how long a caller waits. So however far
/// the clock moves, a running pool keeps its leases. Clocks are not shared between processes: a storage
/// that several use gets times from each of them.
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
    /// A clock that stands still at the current time.
    pub fn new() -> Self {
        Self::at(Clock::system().now())
    }

    /// A clock that stands still at this time.
    pub fn at(wall: impl Into<Timestamp>) -> Self {
        let (wall, passed) = (wall.into(), Duration::ZERO);
        Self {
            readings: watch::Sender::new(Reading { wall, passed }),
        }
    }

    /// A queue whose tasks live by this clock; otherwise like [`AsyncOmniQ::with_storage`], with the same
    /// errors.
    pub async fn open(&self, storage: Arc<dyn Storage>, settings: Settings) -> Result<AsyncOmniQ> {
        AsyncOmniQ::with_clock(storage, settings, self.clock()).await
    }

    /// A queue without workers whose tasks live by this clock; otherwise like [`AsyncTaskQueue::new`], with
    /// the same errors.
    pub fn queue(&self, storage: Arc<dyn Storage>, settings: &Settings) -> Result<AsyncTaskQueue> {
        AsyncTaskQueue::with_clock(storage, settings, self.clock())
    }

    /// The time that it shows.
    pub fn now(&self) -> Timestamp {
        self.readings.borrow().wall
    }

    /// Lets this much time pass at once, to the microsecond. What comes due on the way comes due now:
    /// delayed tasks, retries, time limits, retention. A task with an interval runs once however many
    /// intervals have passed, because its next run counts from the end of the last.
    ///
    /// It returns at once; what it sets off happens in the pools. Wait for that by a handle or by
    /// [`AsyncOmniQ::events`].
    pub fn advance(&self, span: Duration) {
        self.readings.send_modify(|shown| {
            shown.wall = shown.wall.after(span);
            // There is always time after: a time limit is never over at its beginning.
            shown.passed = shown.passed.saturating_add(span).min(Duration::MAX / 2);
        });
    }

    /// Sets the time that it shows, forwards or backwards, as an administrator or a time server does. No time
    /// passes: no time limit is reached. What a jump forwards makes due is found at a pool's next safety
    /// check: see [`SettingsBuilder::poll_interval`](crate::SettingsBuilder::poll_interval).
    pub fn jump_to(&self, wall: impl Into<Timestamp>) {
        let wall = wall.into();
        self.readings.send_modify(|shown| shown.wall = wall);
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
