//! Finds due tasks: looks once, then stays parked in the storage until there is something to see.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use omniq_core::storage::{ClaimFilter, ClaimRequest};
use omniq_core::{OwnerId, Result, Storage, Task, Timestamp};

use crate::clock::{self, Clock, Reading};

/// Two looks are at least this far apart, so that a clock that jumps can't make them spin.
const SHORTEST_NAP: Duration = Duration::from_millis(1);

/// One claimer's view of what is due.
pub(crate) struct Poller {
    storage: Arc<dyn Storage>,
    clock: Clock,
    owner: OwnerId,
    filter: Arc<ClaimFilter>,
    lease_for: Duration,
    poll_interval: Duration,
    /// The last look found nothing, and learned this of the next due task.
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

    /// Claims at most `limit` due tasks. The first look answers at once; after one that found nothing,
    /// the next waits for work until the next eta or `enough`, whichever comes first.
    /// A look that does not wait is not interrupted, so that what it gets is never left to the storage.
    pub(crate) async fn claim(
        &mut self,
        limit: usize,
        enough: impl Future<Output = ()>,
    ) -> Result<Vec<Task>> {
        let begin = self.clock.read();
        let now = begin.wall;
        let filter = Arc::clone(&self.filter);
        let request = ClaimRequest::new(self.owner, filter, now, self.lease_for).limit(limit);
        let claimed = match self.parking(now) {
            None => {
                let asked = clock::instant();
                let claimed = self.storage.claim(request).await?;
                self.round_trip = Some(asked.elapsed());
                claimed
            }
            Some(next_due) => tokio::select! {
                // The claim comes first: dropping one that is answered costs two writes.
                biased;
                claimed = self.storage.claim(request.park(next_due)) => claimed?,
                () = self.nap(next_due, begin) => return Ok(Vec::new()),
                () = enough => return Ok(Vec::new()),
            },
        };
        if claimed.tasks.is_empty() {
            self.idle = Some(claimed.next_due);
        }
        Ok(claimed.tasks)
    }

    /// What a claim that may wait has to know; `None` if there is something to look for now.
    fn parking(&mut self, now: Timestamp) -> Option<Option<Timestamp>> {
        let looked = self.round_trip.take().is_some();
        let next_due = self.idle.take()?;
        let has_come = next_due.is_some_and(|due| due <= now);
        // A look that found nothing of what it calls due is not repeated at once.
        (looked || !has_come).then_some(next_due)
    }

    /// How long the last claim took, if it did not wait for work.
    pub(crate) fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    /// Until the next eta; in steps of the poll interval, so that a clock that jumps is noticed. Where
    /// nothing is due later, the storage alone ends the wait.
    async fn nap(&self, next_due: Option<Timestamp>, begin: Reading) {
        let Some(due) = next_due else {
            return std::future::pending().await;
        };
        let span = due.since(begin.wall);
        let over = async {
            tokio::select! {
                () = self.clock.until(begin.passed.saturating_add(span)) => {}
                () = tokio::time::sleep(self.poll_interval) => {}
            }
        };
        tokio::join!(tokio::time::sleep(SHORTEST_NAP), over);
    }
}
