//! A pool: claims tasks, runs them, settles what became of them.
//!
//! | file | job |
//! | --- | --- |
//! | `builder` | checks how a pool is set up, and starts it |
//! | `claim` | takes due tasks for the seats that are free |
//! | `buffer` | where claimed tasks wait for a seat |
//! | `turn` | tasks that may have killed their owner: one at a time |
//! | `run` | a seat runs one task after the other |
//! | `settle` | writes down what became of them, many at a time |
//! | `heartbeat` | renews leases, and tells handlers to stop |
//! | `progress` | writes down how far the tasks are, now and then |
//! | `sweep` | settles what dead owners left, forgets what is old |
//! | `closing` | stops it all |
//! | `pool` | asks for that, and waits for it |

mod buffer;
mod builder;
mod claim;
mod closing;
mod heartbeat;
mod held;
mod pace;
mod poison_isolation;
mod pool;
mod progress;
mod run;
mod settle;
mod sweep;

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use omniq_core::storage::ClaimFilter;
use tokio::sync::{Mutex, Notify, Semaphore};

pub use builder::WorkerBuilder;
pub use closing::StopSummary;
pub use pool::AsyncWorkerPool;

use crate::clock::Clock;
use crate::context::Surroundings;
use crate::token::Token;
use crate::{AsyncOmniQ, Handler, Settings};
use buffer::Buffer;
use closing::Asked;
use held::Held;
use pace::Pace;

/// What the tasks of one pool share.
struct Shared {
    surroundings: Arc<Surroundings>,
    handlers: HashMap<String, Handler>,
    filter: Arc<ClaimFilter>,
    concurrency: usize,
    grace: Duration,
    /// One permit for each handler that may start now.
    seats: Semaphore,
    /// Tasks that are claimed and wait for a seat.
    buffer: Buffer,
    pace: Pace,
    /// Every lease of this pool that is not settled yet.
    held: Held,
    /// Rung when a seat is free or the buffer runs low.
    seat_or_room: Notify,
    /// Rung when a lease has to be looked at.
    look_again: Notify,
    /// Rung when another owner may be gone.
    owner_left: Notify,
    /// Held from taking a progress until it is written, so that nobody overtakes it.
    writing_progress: Mutex<()>,
    /// What the pool had come to when it was asked to stop.
    asked: OnceLock<Asked>,
    /// Nothing new is claimed or started any more.
    stopping: Token,
    /// Nothing is claimed any more, and nothing new will start.
    claimed_last: Token,
    /// Running handlers are dropped.
    grace_over: Token,
    /// The last outcome is written down, or never will be.
    settled: Token,
    finished: AtomicU64,
    released: AtomicU64,
}

impl Shared {
    fn omniq(&self) -> &AsyncOmniQ {
        &self.surroundings.omniq
    }

    fn clock(&self) -> &Clock {
        self.omniq().queue().clock()
    }

    fn settings(&self) -> &Settings {
        self.omniq().settings()
    }
}
