//! Reads settings from environment variables. One error reports all invalid variables.

use std::ffi::OsString;
use std::fmt::Display;
use std::path::PathBuf;
use std::time::Duration;

use omniq_core::{Durability, Error, ErrorKind, Result, Serializer};

use super::builder::{MAX_PAYLOAD, MOST_PREFETCH, SHORTEST};
use super::{Backend, LogLevel, Settings, SettingsBuilder};
use crate::connect;

/// The variables that are read.
const NAMES: [&str; 17] = [
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

/// The value of a variable; an error holds a value that is not UTF-8.
type Value = Result<String, OsString>;

const SECONDS: &str = "a number of seconds, such as 30 or 0.5";
const SPAN: &str = "a number of seconds, at least 0.001";

impl Settings {
    /// Reads the settings from environment variables.
    ///
    /// | variable | meaning | default |
    /// | --- | --- | --- |
    /// | `OMNIQ_BACKEND` | `sqlite`, `file` or `memory` | the one of the URL, or `sqlite` |
    /// | `OMNIQ_DB_URL` | the URL of the storage: see [`AsyncOmniQ::connect`](crate::AsyncOmniQ::connect) | `sqlite:///<base_dir>/omniq.db` |
    /// | `OMNIQ_BASE_DIR` | the folder of the file storage, or of the default database | `./omniq_data` |
    /// | `OMNIQ_DEFAULT_TIMEOUT` | seconds for one attempt; `none` for no limit | 300 |
    /// | `OMNIQ_DEFAULT_MAX_ATTEMPTS` | total number of executions of a task; `OMNIQ_DEFAULT_MAX_RETRIES` means the same number | 3 |
    /// | `OMNIQ_RESULT_TTL` | seconds for which succeeded and cancelled tasks are stored | 86400 |
    /// | `OMNIQ_FAILED_TTL` | seconds for which failed tasks are stored | 2592000 |
    /// | `OMNIQ_SERIALIZER` | `json` (also called `msgspec`) or `msgpack` | `json` |
    /// | `OMNIQ_DURABILITY` | `full` or `normal` | `full` |
    /// | `OMNIQ_LEASE` | seconds for which a lease is valid unless it is renewed | 30 |
    /// | `OMNIQ_POLL_INTERVAL` | seconds between two safety checks, which find changes that caused no notification | 1 |
    /// | `OMNIQ_GRACE` | seconds for which a stopping pool waits for running handlers | 30 |
    /// | `OMNIQ_PREFETCH` | tasks that a pool claims beyond its free seats, 0 to 10000 | measured by each pool |
    /// | `OMNIQ_MAX_CRASHES` | number of crashes at which a task fails | 3 |
    /// | `OMNIQ_MAX_PAYLOAD` | largest size of a payload or a result, in bytes | 1048576 |
    /// | `OMNIQ_LOG_LEVEL` | `DEBUG`, `INFO`, `WARNING`, `ERROR`, `CRITICAL`, or directives: see [`LogLevel`] | `INFO` |
    ///
    /// Words may be written in any case and with spaces around them. An empty variable counts as unset. A variable that
    /// begins with `OMNIQ_` and is not in this table is logged as a warning.
    ///
    /// Fails with kind `Settings` if a value is invalid; the error names every such variable, its value and what is
    /// allowed.
    pub fn from_env() -> Result<Self> {
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            if name.starts_with("OMNIQ_") && !NAMES.contains(&&*name) {
                tracing::warn!(%name, "there is no such setting");
            }
        }
        read(|name| std::env::var_os(name).map(|value| value.into_string()))
    }

    /// Reads the settings like [`from_env`](Self::from_env), with the values of the variables that `lookup` returns.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self> {
        read(|name| lookup(name).map(Ok))
    }
}

fn read(lookup: impl Fn(&str) -> Option<Value>) -> Result<Settings> {
    let mut env = Environment {
        lookup,
        problems: Vec::new(),
    };
    let settings = Settings::builder();
    let settings = read_location(&mut env, settings);
    let settings = read_order_defaults(&mut env, settings);
    let settings = read_pool_settings(&mut env, settings);
    if !env.problems.is_empty() {
        let text = format!(
            "environment variables can't be used:\n- {}",
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
    /// Returns the trimmed text of a variable; `None` if it is unset or empty, or not UTF-8, which is a problem.
    fn text(&mut self, name: &str) -> Option<String> {
        let text = match (self.lookup)(name)? {
            Ok(text) => text,
            Err(_) => {
                // The value is not shown: it may be a URL with a password.
                self.problems.push(format!("{name} must be text in UTF-8"));
                return None;
            }
        };
        let text = text.trim();
        if text.is_empty() {
            return None;
        }
        Some(text.to_owned())
    }

    /// Returns the parsed value of a variable. If `parse` refuses it, records a problem that says what is allowed.
    fn value<T>(
        &mut self,
        name: &str,
        allowed: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(name)?;
        let value = parse(&text);
        if value.is_none() {
            self.record_problem(name, &text, allowed);
        }
        value
    }

    fn record_problem(&mut self, name: &str, value: impl Display, allowed: &str) {
        self.problems
            .push(format!("{name} is \"{value}\", but must be {allowed}"));
    }
}

/// Reads where the tasks are stored.
fn read_location<L: Fn(&str) -> Option<Value>>(
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
        Err(error) => env
            .problems
            .push(format!("OMNIQ_DB_URL: {}", error.chain())),
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

/// Reads the defaults of orders.
fn read_order_defaults<L: Fn(&str) -> Option<Value>>(
    env: &mut Environment<L>,
    mut settings: SettingsBuilder,
) -> SettingsBuilder {
    const TIMEOUT: &str = "a number of seconds, at least 0.001, or none for no limit";
    const COUNT: &str = "a whole number of executions, at least 1";
    let timeout = env.value("OMNIQ_DEFAULT_TIMEOUT", TIMEOUT, |text| {
        match text.eq_ignore_ascii_case("none") {
            true => Some(None),
            false => parse_span(text).map(Some),
        }
    });
    if let Some(timeout) = timeout {
        settings = settings.timeout(timeout);
    }
    let attempts = env.value("OMNIQ_DEFAULT_MAX_ATTEMPTS", COUNT, parse_positive);
    let retries = env.value("OMNIQ_DEFAULT_MAX_RETRIES", COUNT, parse_positive);
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
    if let Some(serializer) = read_serializer(env) {
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

fn read_serializer<L: Fn(&str) -> Option<Value>>(env: &mut Environment<L>) -> Option<Serializer> {
    const NAME: &str = "OMNIQ_SERIALIZER";
    let text = env.text(NAME)?.to_ascii_lowercase();
    let serializer = match text.as_str() {
        "json" | "msgspec" => Serializer::Json,
        "msgpack" => Serializer::Msgpack,
        "cloudpickle" | "pickle" => {
            let why = "json or msgpack: Rust can't read or write Python's pickle";
            env.record_problem(NAME, text, why);
            return None;
        }
        _ => {
            env.record_problem(NAME, text, "json or msgpack");
            return None;
        }
    };
    if !serializer.is_built_in() {
        let how = "json, unless omniq is built with its cargo feature \"msgpack\"";
        env.record_problem(NAME, text, how);
        return None;
    }
    Some(serializer)
}

/// Reads the settings of pools and storages.
fn read_pool_settings<L: Fn(&str) -> Option<Value>>(
    env: &mut Environment<L>,
    mut settings: SettingsBuilder,
) -> SettingsBuilder {
    if let Some(durability) = env.value("OMNIQ_DURABILITY", "full or normal", parse_durability) {
        settings = settings.durability(durability);
    }
    if let Some(span) = env.value("OMNIQ_RESULT_TTL", SECONDS, parse_seconds) {
        settings = settings.result_ttl(span);
    }
    if let Some(span) = env.value("OMNIQ_FAILED_TTL", SECONDS, parse_seconds) {
        settings = settings.failed_ttl(span);
    }
    if let Some(span) = env.value("OMNIQ_LEASE", SPAN, parse_span) {
        settings = settings.lease(span);
    }
    if let Some(span) = env.value("OMNIQ_POLL_INTERVAL", SPAN, parse_span) {
        settings = settings.poll_interval(span);
    }
    if let Some(span) = env.value("OMNIQ_GRACE", SECONDS, parse_seconds) {
        settings = settings.grace(span);
    }
    let parse_prefetch = |text: &str| text.parse().ok().filter(|tasks| *tasks <= MOST_PREFETCH);
    if let Some(tasks) = env.value(
        "OMNIQ_PREFETCH",
        "a whole number of tasks, 0 to 10000",
        parse_prefetch,
    ) {
        settings = settings.prefetch(tasks);
    }
    let count = "a whole number, at least 1";
    if let Some(crashes) = env.value("OMNIQ_MAX_CRASHES", count, parse_positive) {
        settings = settings.max_crashes(crashes);
    }
    match env.value("OMNIQ_LOG_LEVEL", LogLevel::ALLOWED, |text| {
        text.parse().ok()
    }) {
        Some(level) => settings.log_level(level),
        None => settings,
    }
}

fn parse_durability(text: &str) -> Option<Durability> {
    match text.to_ascii_lowercase().as_str() {
        "full" => Some(Durability::Full),
        "normal" => Some(Durability::Normal),
        _ => None,
    }
}

fn parse_seconds(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.parse().ok()?).ok()
}

fn parse_span(text: &str) -> Option<Duration> {
    parse_seconds(text).filter(|span| *span >= SHORTEST)
}

fn parse_positive(text: &str) -> Option<u32> {
    text.parse().ok().filter(|count| *count > 0)
}
