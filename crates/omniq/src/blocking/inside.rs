//! Checks whether this thread may block.

use std::task::{Context, Poll, Waker};

use omniq_core::{Error, ErrorKind, Result};
use tokio::runtime::Handle;
use tokio::task::coop;

/// More than the largest coop budget of a tokio task, which is stored in a byte.
const MORE_THAN_ANY_BUDGET: usize = 256;

/// Checks that blocking this thread does not hold up async tasks.
///
/// Fails with kind `InsideRuntime` if it would, and with kind `Closed` on a thread that is ending.
pub(crate) fn may_block() -> Result<()> {
    match Handle::try_current() {
        Ok(_) if polls_tasks() => Err(inside_runtime()),
        Err(error) if error.is_thread_local_destroyed() => {
            let text = "this thread is ending and can't wait any more: make the call before the drop of its \
                        thread-locals";
            Err(Error::new(ErrorKind::Closed, text).with_source(error))
        }
        _ => Ok(()),
    }
}

/// Whether this thread is polling an async task.
///
/// Tokio polls each task with a limited coop budget, and lifts the limit where blocking is allowed, in `spawn_blocking`
/// and `block_in_place`. So the thread polls a task if the budget can be used up. The budget is restored at the end.
fn polls_tasks() -> bool {
    let mut cx = Context::from_waker(Waker::noop());
    let Poll::Ready(_restores_budget) = coop::poll_proceed(&mut cx) else {
        return true;
    };
    for _ in 0..MORE_THAN_ANY_BUDGET {
        match coop::poll_proceed(&mut cx) {
            // Only the first guard restores the budget, which it had before all steps.
            Poll::Ready(step) => step.made_progress(),
            Poll::Pending => return true,
        }
    }
    false
}

fn inside_runtime() -> Error {
    let text = "a blocking call on a thread that runs async tasks would hold them up: use AsyncOmniQ and \
                .await here, or wrap the call in tokio::task::spawn_blocking";
    Error::new(ErrorKind::InsideRuntime, text)
}
