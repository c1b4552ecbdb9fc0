//! Log output for programs that have no `tracing` subscriber of their own.
//!
//! The library itself installs none. Whatever a handler logs stands inside a span `task` with the fields `id`,
//! `name`, `queue` and `attempt`. Arguments are logged only where they are asked for, by a directive such as
//! `OMNIQ_LOG_LEVEL=info,omniq::payload=trace`.
//!
//! ```no_run
//! fn main() -> omniq::Result<()> {
//!     omniq::logging::init()?;
//!     tracing::info!("goes to the standard error");
//!     Ok(())
//! }
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
    install(
        fmt::layer()
            .with_writer(io::stderr)
            .with_ansi(io::stderr().is_terminal()),
    )
}

/// As [`init`], but one JSON object a line.
pub fn init_json() -> Result<()> {
    install(fmt::layer().with_writer(io::stderr).json())
}

fn install(layer: impl Layer<Registry> + Send + Sync) -> Result<()> {
    let only_this = |name: &str| match name {
        "OMNIQ_LOG_LEVEL" => std::env::var(name).ok(),
        _ => None,
    };
    let level = Settings::from_lookup(only_this)?.log_level().clone();
    let subscriber = Registry::default().with(layer.with_filter(filter(&level)?));
    subscriber.try_init().map_err(|e| {
        let text = "the program has a log subscriber already: leave out omniq::logging";
        Error::new(ErrorKind::Settings, text).with_source(e)
    })
}

fn filter(level: &LogLevel) -> Result<Targets> {
    level.as_str().parse().map_err(|e| {
        let text = format!("the log level {level} can't be used: {e}");
        Error::new(ErrorKind::Settings, text).with_source(e)
    })
}
