//! Log output for programs that have no `tracing` subscriber of their own.
//!
//! The library itself installs none. Whatever a handler logs stands inside a span `task` with the fields `id`,
//! `name`, `queue` and `attempt`. Arguments are logged only where they are asked for, by a directive such as
//! `OMNIQ_LOG_LEVEL=info,omniq::payload=trace`.
//!
//! ```no_run
//! omniq::logging::init()?; // From now on, what is logged goes to the standard error.
//! # Ok::<(), omniq::Error>(())
//! ```

use std::io::{self, IsTerminal as _};

use omniq_core::{Error, ErrorKind, Result};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer, Registry, fmt};

use crate::{LogLevel, Settings};

/// Writes text to the standard error, as much as `OMNIQ_LOG_LEVEL` says (`info` by default).
///
/// An error of kind `Settings` if that can't be used, or if the program has a subscriber already.
pub fn init() -> Result<()> {
    init_with(&from_env()?)
}

/// As [`init`], but as much as this says: [`Settings::log_level`] of your own file, say.
pub fn init_with(level: &LogLevel) -> Result<()> {
    let colours = io::stderr().is_terminal();
    install(
        fmt::layer().with_writer(io::stderr).with_ansi(colours),
        level,
    )
}

/// As [`init`], but one JSON object a line.
pub fn init_json() -> Result<()> {
    install(fmt::layer().with_writer(io::stderr).json(), &from_env()?)
}

fn from_env() -> Result<LogLevel> {
    let only_this = |name: &str| {
        std::env::var(name)
            .ok()
            .filter(|_| name == "OMNIQ_LOG_LEVEL")
    };
    Ok(Settings::from_lookup(only_this)?.log_level().clone())
}

fn install(layer: impl Layer<Registry> + Send + Sync, level: &LogLevel) -> Result<()> {
    let refused = |text: String| Error::new(ErrorKind::Settings, text);
    let filter: Targets = (level.as_str().parse())
        .map_err(|e| refused(format!("the log level {level} can't be used: {e}")).with_source(e))?;
    let subscriber = Registry::default().with(layer.with_filter(filter));
    let already = "the program has a log subscriber already: leave out omniq::logging";
    (subscriber.try_init()).map_err(|e| refused(already.to_owned()).with_source(e))
}
