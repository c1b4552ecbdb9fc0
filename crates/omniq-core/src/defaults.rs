//! The settings that orders and storages need.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Backoff, Serializer};

/// Which failures a committed write survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Durability {
    /// Acknowledged writes survive a power cut.
    #[default]
    Full,
    /// Acknowledged writes survive a crash of the process. A power cut may lose the last ones.
    Normal,
}

/// The part of the settings that orders and storages need: the defaults of orders, and how to write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CoreSettings {
    /// The queue of an order that does not name one.
    pub queue: String,
    /// The total number of attempts of a task.
    pub max_attempts: u32,
    /// The time limit of one attempt; `None` for no limit.
    pub timeout: Option<Duration>,
    /// The wait between attempts.
    pub backoff: Backoff,
    /// The format in which arguments and results are written.
    pub serializer: Serializer,
    /// The largest payload or result, in bytes.
    pub max_payload: usize,
    /// Which failures a committed write survives.
    pub durability: Durability,
    /// How often the storage checks for changes of which it was not notified.
    pub poll_interval: Duration,
}

impl Default for CoreSettings {
    fn default() -> Self {
        Self {
            queue: "default".to_owned(),
            max_attempts: 3,
            timeout: Some(Duration::from_secs(300)),
            backoff: Backoff::default(),
            serializer: Serializer::Json,
            max_payload: 1024 * 1024,
            durability: Durability::Full,
            poll_interval: Duration::from_secs(1),
        }
    }
}

impl AsRef<CoreSettings> for CoreSettings {
    fn as_ref(&self) -> &CoreSettings {
        self
    }
}
