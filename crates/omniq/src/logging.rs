//! Writes log lines, for programs that have no `tracing` subscriber of their own.
//!
//! The library never installs a subscriber by itself. All log lines of a handler are inside a span `task` with the fields
//! `id`, `name`, `queue` and `attempt`. Arguments are logged only if a directive asks for them, such as
//! `OMNIQ_LOG_LEVEL=info,omniq::payload=trace`.
//!
//! ```no_run
//! omniq::logging::init()?; // From now on, log lines go to the standard error.
//! # Ok::<(), omniq::Error>(())
//! ```

use std::io::{self, IsTerminal as _};

use omniq_core::{Error, ErrorKind, Result};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer, Registry, fmt};

use crate::{LogLevel, Settings};

/// Logs as text to the standard error, at the level of `OMNIQ_LOG_LEVEL` (`info` by default).
///
/// Fails with kind `Settings` if that level is invalid, or if the program already has a subscriber.
pub fn init() -> Result<()> {
    init_with(&from_env()?)
}

/// Logs like [`init`], at the given level, for example [`Settings::log_level`] of your own configuration file.
pub fn init_with(level: &LogLevel) -> Result<()> {
    let colours = io::stderr().is_terminal();
    install(
        fmt::layer().with_writer(io::stderr).with_ansi(colours),
        level,
    )
}

/// Logs like [`init`], with one JSON object per line.
pub fn init_json() -> Result<()> {
    install(fmt::layer().with_writer(io::stderr).json(), &from_env()?)
}

fn from_env() -> Result<LogLevel> {
    let only_the_level = |name: &str| {
        if name == "OMNIQ_LOG_LEVEL" {
            std::env::var(name).ok()
        } else {
            None
        }
    };
    Ok(Settings::from_lookup(only_the_level)?.log_level().clone())
}

fn install(layer: impl Layer<Registry> + Send + Sync, level: &LogLevel) -> Result<()> {
    let refused = |text: String| Error::new(ErrorKind::Settings, text);
    let filter: Targets = (level.as_str().parse()).map_err(|error| {
        refused(format!("the log level {level} can't be used")).with_source(error)
    })?;
    let subscriber = Registry::default().with(layer.with_filter(filter));
    let already = "the program already has a log subscriber: leave out omniq::logging";
    (subscriber.try_init()).map_err(|error| refused(already.to_owned()).with_source(error))
}
