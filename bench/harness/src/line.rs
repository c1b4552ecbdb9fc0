//! The result, as one line of JSON.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Options;

/// The measurements of a run.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Outcome {
    /// Tasks per second; `None` if only the latency is measured.
    pub per_second: Option<f64>,
    /// The median latency of the enqueue calls (W1, W2), or from enqueue to start (W4).
    pub p50_us: Option<f64>,
    /// The 99th percentile of the same latency.
    pub p99_us: Option<f64>,
    /// The percentiles 1 to 100 of the latency (W4).
    pub curve_us: Vec<f64>,
    pub seconds: f64,
    /// The CPU time of this process per task.
    pub cpu_us: Option<f64>,
    /// The number of executions that were not the first of their task.
    pub ran_again: usize,
    /// Measurements of single workloads.
    #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
    pub more: serde_json::Map<String, serde_json::Value>,
    #[serde(skip)]
    tasks: usize,
}

/// The contender, the options and the measurements of a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Line {
    pub contender: String,
    /// The version of SQLite, or an empty text if it is unknown.
    #[serde(default)]
    pub sqlite: String,
    #[serde(flatten)]
    pub options: Options,
    #[serde(flatten)]
    pub outcome: Outcome,
}

impl Outcome {
    /// Creates an outcome from the duration and the number of tasks.
    pub fn timed(took: Duration, tasks: usize) -> Self {
        let seconds = took.as_secs_f64();
        Self {
            per_second: Some((tasks as f64 / seconds).round()),
            seconds,
            tasks,
            ..Self::default()
        }
    }

    /// Adds the CPU time of all tasks.
    pub fn cpu(mut self, nanos: u64) -> Self {
        self.cpu_us = Some(micros(nanos / self.tasks.max(1) as u64));
        self
    }

    /// Adds the number of executions that were not the first of their task.
    pub fn ran_again(mut self, executions: usize) -> Self {
        self.ran_again = executions;
        self
    }

    /// Adds the median and the 99th percentile of these latencies.
    pub fn latencies(mut self, mut nanos: Vec<u64>) -> Self {
        nanos.sort_unstable();
        self.p50_us = quantile_us(&nanos, 0.5);
        self.p99_us = quantile_us(&nanos, 0.99);
        self
    }

    /// Adds all percentiles of these latencies, and removes the rate, which means nothing here.
    pub fn latency_only(mut self, mut nanos: Vec<u64>) -> Self {
        nanos.sort_unstable();
        let percentiles = (1..=100).map(|p| f64::from(p) / 100.0);
        self.curve_us = percentiles.filter_map(|q| quantile_us(&nanos, q)).collect();
        self.per_second = None;
        self.latencies(nanos)
    }
}

/// Returns the `q` quantile of sorted nanoseconds, in microseconds: the smallest value that is at least
/// as large as the share `q` of the values.
pub fn quantile_us(sorted_nanos: &[u64], q: f64) -> Option<f64> {
    let rank = (sorted_nanos.len() as f64 * q).ceil() as usize;
    sorted_nanos.get(rank.saturating_sub(1)).map(|v| micros(*v))
}

/// Converts to microseconds, rounded to one decimal.
fn micros(nanos: u64) -> f64 {
    (nanos as f64 / 100.0).round() / 10.0
}
