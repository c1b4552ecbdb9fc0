//! All settings, with their defaults and their allowed values.
//!
//! | file | job |
//! | --- | --- |
//! | `values` | the settings, which are always valid |
//! | `builder` | sets values one by one, and checks them |
//! | `env` | reads them from environment variables |
//! | `config_file` | reads them from a configuration file, and writes them to one |
//! | `backend`, `log_level`, `url` | types of single settings |

mod backend;
mod builder;
mod config_file;
mod env;
mod log_level;
mod url;
mod values;

pub use backend::Backend;
pub use builder::SettingsBuilder;
pub(crate) use builder::check_prefetch;
pub use log_level::LogLevel;
pub(crate) use url::Url;
pub use values::Settings;
