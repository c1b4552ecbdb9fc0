//! Claims due tasks: the first claim is answered immediately, later ones stay parked in the storage until work arrives.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use omniq_core::storage::{ClaimFilter, ClaimRequest};
use omniq_core::{OwnerId, Result, Storage, Task, Timestamp};

use crate::clock::{self, Clock, Reading};

/// The shortest time between two claims, so that a clock that jumps can't cause a busy loop.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);

/// Claims tasks for one claimer, and remembers the answer to its last claim.
pub(crate) struct Poller {
    storage: Arc<dyn Storage>,
    clock: Clock,
    owner: OwnerId,
    filter: Arc<ClaimFilter>,
    lease_for: Duration,
    poll_interval: Duration,
    /// Set if the last claim found nothing: the eta of the next task, if there is one.
    idle: Option<Option<Timestamp>>,
    round_trip: Option<Duration>,
}

impl Poller {
    pub(crate) fn new(
        storage: Arc<dyn Storage>,
        clock: Clock,
        owner: OwnerId,
        filter: Arc<ClaimFilter>,
        lease_for: Duration,
        poll_interval: Duration,
    ) -> Self {
        Self {
            storage,
            clock,
            owner,
            filter,
            lease_for,
            poll_interval,
            idle: None,
            round_trip: None,
        }
    }

    /// Claims at most `limit` due tasks. The first claim is answered immediately. After a claim that found nothing, the
    /// next one waits for work, until the next eta or until `stop_waiting` completes.
    /// A claim that does not wait is not interrupted, so that the storage need not release what it has claimed.
    pub(crate) async fn claim(
        &mut self,
        limit: usize,
        stop_waiting: impl Future<Output = ()>,
    ) -> Result<Vec<Task>> {
        let start = self.clock.read();
        let now = start.wall;
        let filter = Arc::clone(&self.filter);
        let request = ClaimRequest::new(self.owner, filter, now, self.lease_for).limit(limit);
        let claimed = match self.parking(now) {
            None => {
                let sent = clock::instant();
                let claimed = self.storage.claim(request).await?;
                self.round_trip = Some(sent.elapsed());
                claimed
            }
            Some(next_due) => tokio::select! {
                // The claim is polled first: dropping one that was answered would cost a second write, to release the tasks.
                biased;
                claimed = self.storage.claim(request.park(next_due)) => claimed?,
                () = self.wait_for_eta(next_due, start) => return Ok(Vec::new()),
                () = stop_waiting => return Ok(Vec::new()),
            },
        };
        if claimed.tasks.is_empty() {
            self.idle = Some(claimed.next_due);
        }
        Ok(claimed.tasks)
    }

    /// Returns how the next claim waits: parked, with the eta of the next task if it is known; or not at all (`None`),
    /// because a task may be due now.
    fn parking(&mut self, now: Timestamp) -> Option<Option<Timestamp>> {
        let just_queried = self.round_trip.take().is_some();
        let next_due = self.idle.take()?;
        let is_due = next_due.is_some_and(|due| due <= now);
        // A claim that found nothing, although its answer names a task that is due, is not repeated immediately.
        match is_due && !just_queried {
            true => None,
            false => Some(next_due),
        }
    }

    /// Returns how long the last claim took, if it did not wait for work.
    pub(crate) fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    /// Waits until the next eta, at most a poll interval, so that a jump of the clock is noticed. If no task has an eta,
    /// this never returns: then only the storage ends the wait.
    async fn wait_for_eta(&self, next_due: Option<Timestamp>, start: Reading) {
        let Some(due) = next_due else {
            return std::future::pending().await;
        };
        let span = due.since(start.wall);
        let due_or_poll = async {
            tokio::select! {
                () = self.clock.until(start.passed.saturating_add(span)) => {}
                () = tokio::time::sleep(self.poll_interval) => {}
            }
        };
        tokio::join!(tokio::time::sleep(SHORTEST_WAIT), due_or_poll);
    }
}
