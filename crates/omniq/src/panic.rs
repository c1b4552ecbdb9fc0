//! Turns a panic of a handler into an error of the attempt, with the location of the panic.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::pin::Pin;
use std::sync::Once;
use std::task::{Context, Poll};
use std::time::Duration;

use omniq_core::storage::BoxFuture;
use omniq_core::{Payload, TaskError};

use crate::clock;

thread_local! {
    static IN_HANDLER: Cell<bool> = const { Cell::new(false) };
    /// Where the last panic of a handler on this thread happened.
    static LAST_SITE: RefCell<Option<PanicSite>> = const { RefCell::new(None) };
}

/// Where a panic happened.
struct PanicSite {
    location: String,
    backtrace: Option<String>,
}

/// Runs code of a handler. If it panics, returns a retryable error of type `panic`.
pub(crate) fn catch<R>(code: impl FnOnce() -> R) -> Result<R, TaskError> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            record_site(info);
            previous(info);
        }));
    });
    // A panic that a handler caught itself has left its site behind.
    LAST_SITE.take();
    let outer = IN_HANDLER.replace(true);
    let result = catch_unwind(AssertUnwindSafe(code));
    IN_HANDLER.set(outer);
    result.map_err(into_error)
}

fn record_site(info: &PanicHookInfo<'_>) {
    if !IN_HANDLER.get() {
        return;
    }
    let backtrace = Backtrace::capture();
    let captured = backtrace.status() == BacktraceStatus::Captured;
    let site = PanicSite {
        location: info.location().map(ToString::to_string).unwrap_or_default(),
        backtrace: captured.then(|| backtrace.to_string()),
    };
    LAST_SITE.set(Some(site));
}

fn into_error(payload: Box<dyn Any + Send>) -> TaskError {
    let text = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned());
    // The payload may be of any type, so dropping it may panic, too.
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(second);
    }
    let Some(site) = LAST_SITE.take() else {
        return TaskError::new("panic", text);
    };
    let mut traceback = format!("panicked at {}", site.location);
    if let Some(backtrace) = site.backtrace {
        traceback.push('\n');
        traceback.push_str(&backtrace);
    }
    TaskError::new("panic", format!("{text} (at {})", site.location)).with_traceback(traceback)
}

/// A handler that runs longer than this without an await delays the other tasks of its thread.
const LONGEST_POLL: Duration = Duration::from_millis(500);

/// A handler's future whose panics, both in a poll and in its drop, do not unwind into the pool.
pub(crate) struct CatchPanic(Option<BoxFuture<'static, Result<Payload, TaskError>>>);

impl CatchPanic {
    pub(crate) fn new(future: BoxFuture<'static, Result<Payload, TaskError>>) -> Self {
        Self(Some(future))
    }

    fn discard(&mut self) {
        let future = self.0.take();
        if let Err(error) = catch(|| drop(future)) {
            tracing::warn!(%error, "a handler panicked while it was dropped");
        }
    }
}

impl Future for CatchPanic {
    type Output = Result<Payload, TaskError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(future) = &mut self.0 else {
            return Poll::Pending;
        };
        let started = clock::instant();
        let polled = catch(|| future.as_mut().poll(cx));
        let blocked_for = started.elapsed();
        if blocked_for > LONGEST_POLL {
            tracing::warn!(
                ?blocked_for,
                "an async handler blocked its thread: make it a plain fn, or use spawn_blocking"
            );
        }
        let result = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(result)) => result,
            Err(panic) => Err(panic),
        };
        self.discard();
        Poll::Ready(result)
    }
}

impl Drop for CatchPanic {
    fn drop(&mut self) {
        if self.0.is_some() {
            self.discard();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::resume_unwind;

    use super::*;

    #[test]
    fn the_site_of_a_panic_that_the_handler_caught_is_not_that_of_a_later_one() {
        catch(|| drop(catch_unwind(|| panic!("caught by the handler")))).unwrap();
        // Resuming does not run the hook, so the site of this panic is unknown.
        let resumed: Result<(), _> = catch(|| resume_unwind(Box::new("resumed")));
        assert_eq!(resumed.unwrap_err().message, "resumed");
    }
}
