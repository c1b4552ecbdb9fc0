//! Records the warnings and errors that the program logs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Mutex, Once, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

static LOGGED: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Records warnings and errors of the whole process from now on.
pub(crate) fn start_recording() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| tracing::subscriber::set_global_default(Recorder).unwrap());
}

/// Returns the warnings about the database in this folder, by their subject: the operation that failed, or the message.
pub(crate) fn about(folder: &Path) -> BTreeMap<String, Vec<String>> {
    let folder = folder.to_string_lossy();
    let logged = LOGGED.lock().unwrap_or_else(PoisonError::into_inner);
    let mut by_subject: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for text in logged.iter().filter(|text| text.contains(&*folder)) {
        let subject = text.split(';').next().unwrap_or_default();
        by_subject
            .entry(subject.to_owned())
            .or_default()
            .push(text.clone());
    }
    by_subject
}

/// Returns how many warnings contain a text, whichever database they are about.
pub(crate) fn count(text: &str) -> usize {
    let logged = LOGGED.lock().unwrap_or_else(PoisonError::into_inner);
    logged.iter().filter(|one| one.contains(text)).count()
}

struct Recorder;

impl Subscriber for Recorder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() <= Level::WARN
    }

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let subject = fields.doing.unwrap_or(fields.message);
        let mut logged = LOGGED.lock().unwrap_or_else(PoisonError::into_inner);
        logged.push(format!("{subject};{}", fields.rest));
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
struct Fields {
    doing: Option<String>,
    message: String,
    rest: String,
}

impl Visit for Fields {
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
