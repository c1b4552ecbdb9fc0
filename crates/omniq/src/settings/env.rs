//! Settings from environment variables. Everything that is wrong is told at once.

use std::ffi::OsString;
use std::fmt::Display;
use std::path::PathBuf;
use std::time::Duration;

use omniq_core::{Durability, Error, ErrorKind, Result, Serializer};

use super::builder::{MAX_PAYLOAD, MOST_PREFETCH, SHORTEST};
use super::{Backend, LogLevel, Settings, SettingsBuilder};
use crate::connect;

/// The variables that are read.
pub(super) const NAMES: [&str; 17] = [
    "OMNIQ_BACKEND",
    "OMNIQ_BASE_DIR",
    "OMNIQ_DB_URL",
    "OMNIQ_DEFAULT_MAX_ATTEMPTS",
    "OMNIQ_DEFAULT_MAX_RETRIES",
    "OMNIQ_DEFAULT_TIMEOUT",
    "OMNIQ_DURABILITY",
    "OMNIQ_FAILED_TTL",
    "OMNIQ_GRACE",
    "OMNIQ_LEASE",
    "OMNIQ_LOG_LEVEL",
    "OMNIQ_MAX_CRASHES",
    "OMNIQ_MAX_PAYLOAD",
    "OMNIQ_POLL_INTERVAL",
    "OMNIQ_PREFETCH",
    "OMNIQ_RESULT_TTL",
    "OMNIQ_SERIALIZER",
];

/// A variable's value; the error is one that is not UTF-8.
pub(super) type Value = Result<String, OsString>;

const SECONDS: &str = "a number of seconds, such as 30 or 0.5";
const SPAN: &str = "a number of seconds, at least 0.001";

pub(super) fn read(lookup: impl Fn(&str) -> Option<Value>) -> Result<Settings> {
    let mut env = Environment {
        lookup,
        problems: Vec::new(),
    };
    let settings = Settings::builder();
    let settings = place(&mut env, settings);
    let settings = orders(&mut env, settings);
    let settings = pools(&mut env, settings);
    if !env.problems.is_empty() {
        let text = format!(
            "the environment can't be used as it is:\n- {}",
            env.problems.join("\n- ")
        );
        return Err(Error::new(ErrorKind::Settings, text));
    }
    settings.build()
}

struct Environment<L> {
    lookup: L,
    problems: Vec<String>,
}

impl<L: Fn(&str) -> Option<Value>> Environment<L> {
    /// What a variable says, without the space around it. An empty one says nothing.
    fn text(&mut self, name: &str) -> Option<String> {
        let text = match (self.lookup)(name)? {
            Ok(text) => text,
            Err(_) => {
                // It may be a URL with a password.
                self.problems.push(format!("{name} must be text in UTF-8"));
                return None;
            }
        };
        let text = text.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// What a variable says, if `parse` takes it; else a problem that says what is allowed.
    fn value<T>(
        &mut self,
        name: &str,
        allowed: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(name)?;
        let value = parse(&text);
        if value.is_none() {
            self.problem(name, &text, allowed);
        }
        value
    }

    fn problem(&mut self, name: &str, value: impl Display, allowed: &str) {
        self.problems
            .push(format!("{name} is \"{value}\", but must be {allowed}"));
    }
}

/// Where tasks are kept.
fn place<L: Fn(&str) -> Option<Value>>(
    env: &mut Environment<L>,
    mut settings: SettingsBuilder,
) -> SettingsBuilder {
    if let Some(folder) = env.text("OMNIQ_BASE_DIR") {
        settings = settings.base_dir(PathBuf::from(folder));
    }
    let backend = env.value("OMNIQ_BACKEND", "sqlite, file or memory", Backend::parse);
    let Some(url) = env.text("OMNIQ_DB_URL") else {
        return match backend {
            Some(backend) => settings.backend(backend),
            None => settings,
        };
    };
    match connect::backend(&url) {
        Err(error) => env.problems.push(format!("OMNIQ_DB_URL: {error}")),
        Ok(of_url) if backend.is_some_and(|backend| backend != of_url) => {
            let named = backend.map_or("", Backend::as_str);
            env.problems.push(format!(
                "OMNIQ_BACKEND is {named}, but OMNIQ_DB_URL names {of_url}: leave one of them out"
            ));
        }
        Ok(_) => settings = settings.url(url),
    }
    settings
}

/// What an order leaves open.
fn orders<L: Fn(&str) -> Option<Value>>(
    env: &mut Environment<L>,
    mut settings: SettingsBuilder,
) -> SettingsBuilder {
    const TIMEOUT: &str = "a number of seconds, at least 0.001, or none for no limit";
    const COUNT: &str = "a whole number of executions, at least 1";
    let timeout = env.value("OMNIQ_DEFAULT_TIMEOUT", TIMEOUT, |text| {
        match text.eq_ignore_ascii_case("none") {
            true => Some(None),
            false => span(text).map(Some),
        }
    });
    if let Some(timeout) = timeout {
        settings = settings.timeout(timeout);
    }
    let attempts = env.value("OMNIQ_DEFAULT_MAX_ATTEMPTS", COUNT, at_least_one);
    let retries = env.value("OMNIQ_DEFAULT_MAX_RETRIES", COUNT, at_least_one);
    if let (Some(attempts), Some(retries)) = (attempts, retries)
        && attempts != retries
    {
        let text = format!(
            "OMNIQ_DEFAULT_MAX_ATTEMPTS is {attempts} and OMNIQ_DEFAULT_MAX_RETRIES is {retries}, but both \
             mean the total number of executions: leave one of them out"
        );
        env.problems.push(text);
    }
    if let Some(attempts) = attempts.or(retries) {
        settings = settings.max_attempts(attempts);
    }
    if let Some(serializer) = serializer(env) {
        settings = settings.serializer(serializer);
    }
    let bytes = env.value(
        "OMNIQ_MAX_PAYLOAD",
        "a whole number of bytes, 1 to 536870912",
        |text| {
            text.parse()
                .ok()
                .filter(|bytes| (1..=MAX_PAYLOAD).contains(bytes))
        },
    );
    match bytes {
        Some(bytes) => settings.max_payload(bytes),
        None => settings,
    }
}

fn serializer<L: Fn(&str) -> Option<Value>>(env: &mut Environment<L>) -> Option<Serializer> {
    const NAME: &str = "OMNIQ_SERIALIZER";
    let text = env.text(NAME)?.to_ascii_lowercase();
    let serializer = match text.as_str() {
        "json" | "msgspec" => Serializer::Json,
        "msgpack" => Serializer::Msgpack,
        "cloudpickle" | "pickle" => {
            let why = "json or msgpack: Rust can't read or write Python's pickle";
            env.problem(NAME, text, why);
            return None;
        }
        _ => {
            env.problem(NAME, text, "json or msgpack");
            return None;
        }
    };
    if !serializer.is_built_in() {
        let how = "json, unless omniq is built with its cargo feature \"msgpack\"";
        env.problem(NAME, text, how);
        return None;
    }
    Some(serializer)
}

/// How pools and storages work.
fn pools<L: Fn(&str) -> Option<Value>>(
    env: &mut Environment<L>,
    mut settings: SettingsBuilder,
) -> SettingsBuilder {
    if let Some(durability) = env.value("OMNIQ_DURABILITY", "full or normal", durability) {
        settings = settings.durability(durability);
    }
    if let Some(span) = env.value("OMNIQ_RESULT_TTL", SECONDS, seconds) {
        settings = settings.result_ttl(span);
    }
    if let Some(span) = env.value("OMNIQ_FAILED_TTL", SECONDS, seconds) {
        settings = settings.failed_ttl(span);
    }
    if let Some(span) = env.value("OMNIQ_LEASE", SPAN, span) {
        settings = settings.lease(span);
    }
    if let Some(span) = env.value("OMNIQ_POLL_INTERVAL", SPAN, span) {
        settings = settings.poll_interval(span);
    }
    if let Some(span) = env.value("OMNIQ_GRACE", SECONDS, seconds) {
        settings = settings.grace(span);
    }
    let ahead = |text: &str| text.parse().ok().filter(|tasks| *tasks <= MOST_PREFETCH);
    if let Some(tasks) = env.value(
        "OMNIQ_PREFETCH",
        "a whole number of tasks, 0 to 10000",
        ahead,
    ) {
        settings = settings.prefetch(tasks);
    }
    let count = "a whole number, at least 1";
    if let Some(crashes) = env.value("OMNIQ_MAX_CRASHES", count, at_least_one) {
        settings = settings.max_crashes(crashes);
    }
    match env.value("OMNIQ_LOG_LEVEL", LogLevel::ALLOWED, |text| {
        text.parse().ok()
    }) {
        Some(level) => settings.log_level(level),
        None => settings,
    }
}

fn durability(text: &str) -> Option<Durability> {
    match text.to_ascii_lowercase().as_str() {
        "full" => Some(Durability::Full),
        "normal" => Some(Durability::Normal),
        _ => None,
    }
}

fn seconds(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.parse().ok()?).ok()
}

fn span(text: &str) -> Option<Duration> {
    seconds(text).filter(|span| *span >= SHORTEST)
}

fn at_least_one(text: &str) -> Option<u32> {
    text.parse().ok().filter(|count| *count > 0)
}
