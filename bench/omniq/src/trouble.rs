//! What the library warns of: a run with a warning is no result.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bench_harness::Result;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, SubscriberExt as _};

/// The texts of warnings and errors so far.
#[derive(Clone, Default)]
pub struct Troubles(Arc<Mutex<Vec<String>>>);

impl Troubles {
    /// Listens from now on. Spans and events below a warning stay switched off, so this costs nothing.
    pub fn listen() -> Self {
        let troubles = Self::default();
        let layer = troubles.clone().with_filter(LevelFilter::WARN);
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::set_global_default(subscriber).expect("nobody else listens");
        troubles
    }

    /// An error, if there was a warning.
    pub fn none(&self) -> Result<()> {
        let texts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match texts.first() {
            None => Ok(()),
            Some(first) => Err(format!("{} warnings, the first: {first}", texts.len()).into()),
        }
    }
}

impl<S: Subscriber> Layer<S> for Troubles {
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
