//! Waits for a future on the calling thread.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// Wakes the thread that waits. `std::thread::park` would not do, because its wake-ups may be meant for the caller.
#[derive(Default)]
struct ThreadWaker {
    is_woken: Mutex<bool>,
    changed: Condvar,
}

impl ThreadWaker {
    fn wait(&self) {
        let is_woken = self.is_woken.lock();
        let is_woken = is_woken.unwrap_or_else(PoisonError::into_inner);
        let is_woken = self.changed.wait_while(is_woken, |is_woken| !*is_woken);
        *is_woken.unwrap_or_else(PoisonError::into_inner) = false;
    }
}

impl Wake for ThreadWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let is_woken = self.is_woken.lock();
        *is_woken.unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_one();
    }
}

/// Polls a future until it is ready. Unlike tokio's `block_on`, it does not panic on any thread.
pub(super) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let thread = Arc::new(ThreadWaker::default());
    let waker = Waker::from(Arc::clone(&thread));
    let mut cx = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut cx) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread.wait(),
        }
    }
}
