//! What the program would have read in its log.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Mutex, Once, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// From now on, warnings and errors of the whole process are kept.
pub(crate) fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| tracing::subscriber::set_global_default(Listener).unwrap());
}

/// How often each thing was said of the database in this folder: what was being done, or what failed.
pub(crate) fn said_of(folder: &Path) -> BTreeMap<String, Vec<String>> {
    let folder = folder.to_string_lossy();
    let said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    let mut by_subject: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for text in said.iter().filter(|text| text.contains(&*folder)) {
        let subject = text.split(';').next().unwrap_or_default();
        by_subject
            .entry(subject.to_owned())
            .or_default()
            .push(text.clone());
    }
    by_subject
}

/// How often a text was said, of whatever it was.
pub(crate) fn said(text: &str) -> usize {
    let said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    said.iter().filter(|one| one.contains(text)).count()
}

struct Listener;

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() <= Level::WARN
    }

    fn event(&self, event: &Event<'_>) {
        let mut said = Said::default();
        event.record(&mut said);
        let subject = said.doing.unwrap_or(said.message);
        let mut all = SAID.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(format!("{subject};{}", said.rest));
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
struct Said {
    doing: Option<String>,
    message: String,
    rest: String,
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let text = format!("{value:?}");
        match field.name() {
            "doing" => self.doing = Some(text),
            "message" => self.message = text,
            name => {
                let _ = write!(self.rest, " {name}={text}");
            }
        }
    }
}
