//! The result, as one line of JSON.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Options;

/// What a run found.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Outcome {
    /// Tasks a second; none where only latency is measured.
    pub per_second: Option<f64>,
    /// Of calls of enqueue (W1, W2), or from enqueue to start (W4).
    pub p50_us: Option<f64>,
    pub p99_us: Option<f64>,
    /// Percentiles 1 to 100 of a latency.
    pub curve_us: Vec<f64>,
    pub seconds: f64,
    /// CPU of this process for each task.
    pub cpu_us: Option<f64>,
    /// Executions that were not the first of their task.
    pub ran_again: usize,
    /// What only some workloads find.
    #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
    pub more: serde_json::Map<String, serde_json::Value>,
    #[serde(skip)]
    tasks: usize,
}

/// What a run was, and what it found.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Line {
    pub contender: String,
    /// Which SQLite it runs on, where it tells.
    #[serde(default)]
    pub sqlite: String,
    #[serde(flatten)]
    pub options: Options,
    #[serde(flatten)]
    pub outcome: Outcome,
}

impl Outcome {
    /// So many tasks in this time.
    pub fn timed(took: Duration, tasks: usize) -> Self {
        let seconds = took.as_secs_f64();
        Self {
            per_second: Some((tasks as f64 / seconds).round()),
            seconds,
            tasks,
            ..Self::default()
        }
    }

    pub fn cpu(mut self, nanos: u64) -> Self {
        self.cpu_us = Some(micros(nanos / self.tasks.max(1) as u64));
        self
    }

    pub fn again(mut self, executions: usize) -> Self {
        self.ran_again = executions;
        self
    }

    /// Of these nanoseconds, the median and the 99th percentile.
    pub fn latencies(mut self, mut nanos: Vec<u64>) -> Self {
        nanos.sort_unstable();
        self.p50_us = quantile_us(&nanos, 0.5);
        self.p99_us = quantile_us(&nanos, 0.99);
        self
    }

    /// The same and all percentiles; the rate says nothing.
    pub fn latency_only(mut self, mut nanos: Vec<u64>) -> Self {
        nanos.sort_unstable();
        let percentiles = (1..=100).map(|p| f64::from(p) / 100.0);
        self.curve_us = percentiles.filter_map(|q| quantile_us(&nanos, q)).collect();
        self.per_second = None;
        self.latencies(nanos)
    }
}

/// The smallest value that the share `q` of the sorted values doesn't exceed, in microseconds.
pub fn quantile_us(sorted_nanos: &[u64], q: f64) -> Option<f64> {
    let at = (sorted_nanos.len() as f64 * q).ceil() as usize;
    sorted_nanos.get(at.saturating_sub(1)).map(|v| micros(*v))
}

/// To a tenth.
fn micros(nanos: u64) -> f64 {
    (nanos as f64 / 100.0).round() / 10.0
}
