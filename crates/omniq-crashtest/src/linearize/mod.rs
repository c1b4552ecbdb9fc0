//! Checks that the operations of several processes on one storage are linearizable.
//!
//! Real processes perform random operations on few tasks, and log each invocation and each response. Some processes
//! are killed, others are stopped for a while. Afterwards, [`check`] searches for an order of the operations of each
//! task that respects real time and that the lifecycle of a single task allows.
//!
//! | module | contents |
//! | --- | --- |
//! | [`history`] | what is logged: invocations, responses, deaths |
//! | [`client`] | a process that performs random operations |
//! | [`run`] | starts the processes, kills and stops them, and checks the log |
//! | `partition` | the operations of each group of tasks that can influence one another |
//! | `model` | what is allowed to happen to the tasks of a group |
//! | `search` | searches for an order that the model allows |
//! | [`check`] | all of it: a history is accepted, or refused with its shortest inconsistent prefix |

mod check;
pub mod client;
pub mod history;
mod model;
mod partition;
mod rules;
pub mod run;
mod search;

pub use check::{Violation, check};
pub use rules::Rules;
