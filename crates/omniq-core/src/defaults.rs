use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Backoff, Serializer};

/// What a commit means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// What was acknowledged survives a power cut.
    #[default]
    Full,
    /// What was acknowledged survives a crash of the process; the last moments may be lost in a power cut.
    Normal,
}

/// The part of the settings that orders and storages need: what an order leaves open, and how to write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CoreSettings {
    /// The queue of an order that names none.
    pub queue: String,
    /// Total executions of a task.
    pub max_attempts: u32,
    /// The time limit of one attempt; `None` for no limit.
    pub timeout: Option<Duration>,
    /// The wait between attempts.
    pub backoff: Backoff,
    /// How arguments are written.
    pub serializer: Serializer,
    /// The largest payload or result, in bytes.
    pub max_payload: usize,
    /// What a commit means.
    pub durability: Durability,
    /// How often the storage looks for what nobody told it of.
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
