//! Turns a handler's panic into an error of the attempt, with the place where it happened.

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
    static PLACE: RefCell<Option<Place>> = const { RefCell::new(None) };
}

/// Where a panic happened.
struct Place {
    location: String,
    backtrace: Option<String>,
}

/// Runs a handler's code; a panic becomes a retryable error of type `panic`.
pub(crate) fn catch<R>(code: impl FnOnce() -> R) -> Result<R, TaskError> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            note_place(info);
            previous(info);
        }));
    });
    let outer = IN_HANDLER.replace(true);
    let caught = catch_unwind(AssertUnwindSafe(code));
    IN_HANDLER.set(outer);
    caught.map_err(into_error)
}

fn note_place(info: &PanicHookInfo<'_>) {
    if !IN_HANDLER.get() {
        return;
    }
    let backtrace = Backtrace::capture();
    let captured = backtrace.status() == BacktraceStatus::Captured;
    let place = Place {
        location: info.location().map(ToString::to_string).unwrap_or_default(),
        backtrace: captured.then(|| backtrace.to_string()),
    };
    PLACE.with_borrow_mut(|last| *last = Some(place));
}

fn into_error(payload: Box<dyn Any + Send>) -> TaskError {
    let text = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a text".to_owned());
    // The payload is any value of the handler's: its drop may panic too.
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(second);
    }
    let Some(place) = PLACE.take() else {
        return TaskError::new("panic", text);
    };
    let mut traceback = format!("panicked at {}", place.location);
    if let Some(backtrace) = place.backtrace {
        traceback.push('\n');
        traceback.push_str(&backtrace);
    }
    TaskError::new("panic", format!("{text} (at {})", place.location)).with_traceback(traceback)
}

/// So long without an await, a handler holds up its neighbours.
const TOO_LONG: Duration = Duration::from_millis(500);

/// A handler's future that neither a poll nor its drop can unwind out of.
pub(crate) struct Caught(Option<BoxFuture<'static, Result<Payload, TaskError>>>);

impl Caught {
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

impl Future for Caught {
    type Output = Result<Payload, TaskError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(future) = &mut self.0 else {
            return Poll::Pending;
        };
        let begin = clock::instant();
        let polled = catch(|| future.as_mut().poll(cx));
        let kept_its_thread = begin.elapsed();
        if kept_its_thread > TOO_LONG {
            tracing::warn!(
                ?kept_its_thread,
                "an async handler blocked: write a plain fn, or use spawn_blocking"
            );
        }
        let ended = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(result)) => result,
            Err(panic) => Err(panic),
        };
        self.discard();
        Poll::Ready(ended)
    }
}

impl Drop for Caught {
    fn drop(&mut self) {
        if self.0.is_some() {
            self.discard();
        }
    }
}
