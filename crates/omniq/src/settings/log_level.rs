use std::fmt;
use std::str::FromStr;

use omniq_core::{Error, ErrorKind};

/// What is logged: one level for everything, or directives such as `info,omniq=debug` (a level, or
/// `target=level`, separated by commas; a target is a module's path, and nothing else can be picked).
///
/// Besides the names of `tracing` (`TRACE DEBUG INFO WARN ERROR OFF`) those of Python are taken: `WARNING`,
/// and `CRITICAL`, which is `ERROR` here.
///
/// ```
/// let level: omniq::LogLevel = "Warning".parse()?;
/// assert_eq!(level.as_str(), "warn");
/// # Ok::<(), omniq::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLevel(String);

impl LogLevel {
    /// What is allowed, for errors.
    pub(crate) const ALLOWED: &str =
        "DEBUG, INFO, WARNING, ERROR or CRITICAL, or directives such as info,omniq=debug";

    /// As `tracing` writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for LogLevel {
    fn default() -> Self {
        Self("info".to_owned())
    }
}

impl FromStr for LogLevel {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let directives: Option<Vec<_>> = text.split(',').map(directive).collect();
        match directives {
            Some(directives) => Ok(Self(directives.join(","))),
            None => {
                let text = format!(
                    "the log level {text:?} is unknown: it must be {}",
                    Self::ALLOWED
                );
                Err(Error::new(ErrorKind::Settings, text))
            }
        }
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn directive(text: &str) -> Option<String> {
    match text.trim().split_once('=') {
        None => level(text.trim()).map(str::to_owned),
        Some((target, _)) if target.is_empty() || target.contains(['[', ']', ' ', '/']) => None,
        Some((target, name)) => Some(format!("{target}={}", level(name)?)),
    }
}

fn level(name: &str) -> Option<&'static str> {
    Some(match name.to_ascii_lowercase().as_str() {
        "trace" => "trace",
        "debug" => "debug",
        "info" => "info",
        "warn" | "warning" => "warn",
        "error" | "critical" => "error",
        "off" => "off",
        _ => return None,
    })
}
