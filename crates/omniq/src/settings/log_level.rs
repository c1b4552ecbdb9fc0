use std::fmt;
use std::str::FromStr;

use omniq_core::{Error, ErrorKind};

/// What to log: one level for everything, or directives such as `info,omniq=debug`.
///
/// Directives are separated by commas; each is a level or `target=level`, where the target is the path of a module. The
/// other filters of `tracing` directives are not supported. Levels have the names of `tracing` (`TRACE DEBUG INFO WARN
/// ERROR OFF`) or those of Python: `WARNING`, and `CRITICAL`, which means `ERROR`.
///
/// ```
/// let level: omniq::LogLevel = "Warning".parse()?;
/// assert_eq!(level.as_str(), "warn");
/// # Ok::<(), omniq::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLevel(String);

impl LogLevel {
    /// The allowed values, for error texts.
    pub(crate) const ALLOWED: &str =
        "DEBUG, INFO, WARNING, ERROR or CRITICAL, or directives such as info,omniq=debug";

    /// Returns the directives in the form that `tracing` expects.
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
        let directives: Option<Vec<_>> = text.split(',').map(parse_directive).collect();
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

fn parse_directive(text: &str) -> Option<String> {
    match text.trim().split_once('=') {
        None => parse_level(text.trim()).map(str::to_owned),
        Some((target, _)) if target.is_empty() || target.contains(['[', ']', ' ', '/']) => None,
        Some((target, name)) => Some(format!("{target}={}", parse_level(name)?)),
    }
}

fn parse_level(name: &str) -> Option<&'static str> {
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
