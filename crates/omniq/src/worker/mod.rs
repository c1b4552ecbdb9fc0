//! A worker pool: claims tasks, runs them, and records their outcomes.
//!
//! | file | job |
//! | --- | --- |
//! | `builder` | checks how a pool is set up, and starts it |
//! | `shared` | the state that the other files work on |
//! | `claim` | claims due tasks for free seats, and some ahead |
//! | `buffer` | holds claimed tasks until a seat is free |
//! | `pace` | decides how many tasks are claimed ahead |
//! | `poison_isolation`, `isolation` | run tasks that may have killed their owner one at a time |
//! | `run` | runs one task after the other in a seat |
//! | `report` | sends outcomes from the seats to `settle` |
//! | `settle` | records outcomes, many in one write |
//! | `held` | the leases that the pool has to renew |
//! | `heartbeat` | renews leases, and asks handlers to stop |
//! | `progress` | stores the progress of running tasks from time to time |
//! | `sweep` | takes over tasks of dead owners, and purges old ones |
//! | `closing`, `stop_summary` | stops the pool, and counts what it did |
//! | `pool` | the public handle of a pool |

mod buffer;
mod builder;
mod claim;
mod closing;
mod heartbeat;
mod held;
mod isolation;
mod pace;
mod poison_isolation;
mod pool;
mod progress;
mod report;
mod run;
mod settle;
mod shared;
mod stop_summary;
mod sweep;

pub use builder::WorkerBuilder;
pub use pool::AsyncWorkerPool;
pub use stop_summary::StopSummary;
