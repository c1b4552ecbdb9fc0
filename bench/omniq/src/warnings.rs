//! Collects the warnings that the library logs. A run with a warning is an error.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bench_harness::Result;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, SubscriberExt as _};

/// The texts of all warnings and errors so far.
#[derive(Clone, Default)]
pub struct Warnings(Arc<Mutex<Vec<String>>>);

impl Warnings {
    /// Starts to collect. Spans and events below the level of a warning stay disabled, so this costs nothing.
    pub fn collect() -> Self {
        let warnings = Self::default();
        let layer = warnings.clone().with_filter(LevelFilter::WARN);
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::set_global_default(subscriber).expect("there is no other subscriber");
        warnings
    }

    /// Returns an error if there was a warning.
    pub fn expect_none(&self) -> Result<()> {
        let texts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match texts.first() {
            None => Ok(()),
            Some(first) => Err(format!("{} warnings, the first: {first}", texts.len()).into()),
        }
    }
}

impl<S: Subscriber> Layer<S> for Warnings {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut text = Text(event.metadata().level().to_string());
        event.record(&mut text);
        if *event.metadata().level() <= Level::WARN {
            let mut texts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            texts.push(text.0);
        }
    }
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0 += &format!(" {field}={value:?}");
    }
}
