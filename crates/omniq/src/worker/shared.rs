//! What the background tasks of one pool share.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use omniq_core::storage::{BoxFuture, ClaimFilter};
use tokio::sync::{Mutex, Notify, Semaphore, watch};

use super::buffer::Buffer;
use super::held::Held;
use super::pace::Pace;
use super::stop_summary::{StopRequest, StopSummary};
use crate::clock::{self, Clock};
use crate::context::PoolEnvironment;
use crate::pools::RunningPool;
use crate::token::Token;
use crate::{AsyncOmniQ, Handler, Settings};

/// The state of one pool.
pub(super) struct Shared {
    pub(super) environment: Arc<PoolEnvironment>,
    pub(super) handlers: HashMap<String, Handler>,
    pub(super) filter: Arc<ClaimFilter>,
    pub(super) concurrency: usize,
    pub(super) grace: Duration,
    /// One permit for each handler that may start now.
    pub(super) seats: Semaphore,
    /// Claimed tasks that wait for a seat.
    pub(super) buffer: Buffer,
    pub(super) pace: Pace,
    /// The leases of this pool that are not settled yet.
    pub(super) held: Held,
    /// Notified when a seat is free or the buffer runs low.
    pub(super) seat_or_room: Notify,
    /// Notified when the leases have to be checked.
    pub(super) check_leases: Notify,
    /// Notified when another process may be dead.
    pub(super) owner_exited: Notify,
    /// Locked while progress is taken and written, so that older progress never overwrites newer progress.
    pub(super) writing_progress: Mutex<()>,
    /// What the pool had done when it was asked to stop.
    pub(super) stop_request: OnceLock<StopRequest>,
    /// Fired when the pool must not claim or start any more tasks.
    pub(super) stopping: Token,
    /// Fired when no more tasks will be claimed or started.
    pub(super) claiming_ended: Token,
    /// Fired when running handlers must be dropped.
    pub(super) grace_expired: Token,
    /// Fired when the last outcome is written, or when the pool gives up writing it.
    pub(super) settled: Token,
    pub(super) finished: AtomicU64,
    pub(super) released: AtomicU64,
    /// Receives the summary once the pool has stopped.
    pub(super) stopped: watch::Receiver<Option<StopSummary>>,
}

impl Shared {
    pub(super) fn omniq(&self) -> &AsyncOmniQ {
        &self.environment.omniq
    }

    pub(super) fn clock(&self) -> &Clock {
        self.omniq().queue().clock()
    }

    pub(super) fn settings(&self) -> &Settings {
        self.omniq().settings()
    }

    /// Asks the pool to stop. Only the first request counts.
    pub(super) fn ask_to_stop(&self) {
        self.stop_request();
        self.stopping.fire();
    }

    /// Returns the first request to stop. If there was none, this call is the first request.
    pub(super) fn stop_request(&self) -> &StopRequest {
        self.stop_request.get_or_init(|| {
            let (finished, released) = self.counts();
            StopRequest {
                finished,
                released,
                grace_ends: clock::deadline(self.grace),
            }
        })
    }

    /// Returns the number of attempts that ended and of tasks that were released so far.
    pub(super) fn counts(&self) -> (u64, u64) {
        use std::sync::atomic::Ordering::Relaxed;
        (self.finished.load(Relaxed), self.released.load(Relaxed))
    }
}

impl RunningPool for Shared {
    fn takes(&self, queue: &str, name: &str, format: omniq_core::Format) -> bool {
        !self.stopping.is_fired() && self.filter.takes(queue, name, format)
    }

    fn ask_to_stop(&self) {
        Shared::ask_to_stop(self);
    }

    fn stopped(&self) -> BoxFuture<'static, ()> {
        let mut stopped = self.stopped.clone();
        Box::pin(async move {
            // An error means that the runtime of the pool has ended, and the pool with it.
            let _ = stopped.wait_for(Option::is_some).await;
        })
    }
}
