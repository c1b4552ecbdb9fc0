//! Whether this thread may wait.

use std::task::{Context, Poll, Waker};

use omniq_core::{Error, ErrorKind, Result};
use tokio::runtime::Handle;
use tokio::task::coop;

/// More than the steps that tokio gives a task before it must yield: it counts them in a byte.
const STEPS: usize = 256;

/// An error of kind `InsideRuntime` where waiting would hold up async tasks.
pub(crate) fn may_block() -> Result<()> {
    match Handle::try_current() {
        Ok(_) if polls_tasks() => Err(inside_runtime()),
        Err(error) if error.is_thread_local_destroyed() => {
            let text = "this thread is ending, and can't wait any more: call it earlier than from the drop of a \
                        thread-local";
            Err(Error::new(ErrorKind::Closed, text).with_source(error))
        }
        _ => Ok(()),
    }
}

/// Tokio gives whatever it polls a budget of steps, and takes it away where blocking is allowed: in
/// `spawn_blocking` and in `block_in_place`. So a budget that can be used up shows an async task. What is used
/// for the look is given back.
fn polls_tasks() -> bool {
    let mut cx = Context::from_waker(Waker::noop());
    let Poll::Ready(_gives_back) = coop::poll_proceed(&mut cx) else {
        return true;
    };
    for _ in 0..STEPS {
        match coop::poll_proceed(&mut cx) {
            // Only the first one gives back.
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
