//! What every contender shares: the command line, the clock and the line of JSON at the end.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use hdrhistogram::Histogram;
use serde::Serialize;

/// The same options for every contender.
#[derive(Parser, Debug, Clone)]
pub struct Options {
    /// W1: enqueue one at a time. W3: process preloaded tasks to the last commit.
    #[arg(long, value_enum)]
    pub workload: Workload,
    /// W1: how many enqueue at once.
    #[arg(long, default_value_t = 1)]
    pub producers: usize,
    /// W3: how many handlers at once.
    #[arg(long, default_value_t = 100)]
    pub concurrency: usize,
    /// W3: tasks claimed ahead of free seats; the contender's own default where it is left out.
    #[arg(long)]
    pub prefetch: Option<usize>,
    /// What a commit means.
    #[arg(long, value_enum, default_value_t = Level::Full)]
    pub durability: Level,
    /// How many tasks.
    #[arg(long, default_value_t = 100_000)]
    pub n: usize,
    /// Extra bytes in each payload.
    #[arg(long, default_value_t = 0)]
    pub payload: usize,
    /// Where the database goes; a folder that is removed at the end.
    #[arg(long, default_value = ".")]
    pub dir: PathBuf,
    /// Print JSON only.
    #[arg(long)]
    pub json: bool,
}

#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Workload {
    W1,
    W3,
}

#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Full,
    Normal,
}

/// What a run found.
pub struct Outcome {
    /// From the first call to the last commit.
    pub took: Duration,
    /// Of each call, where calls are what is measured.
    pub latency: Option<Histogram<u64>>,
}

#[derive(Serialize)]
struct Line<'a> {
    contender: &'a str,
    workload: Workload,
    durability: Level,
    producers: Option<usize>,
    concurrency: Option<usize>,
    prefetch: Option<usize>,
    payload: usize,
    n: usize,
    per_second: f64,
    p50_us: Option<u64>,
    p99_us: Option<u64>,
}

impl Options {
    /// A fresh folder for the database.
    pub fn folder(&self) -> tempfile::TempDir {
        tempfile::Builder::new()
            .prefix("bench-")
            .tempdir_in(&self.dir)
            .expect("a writable --dir")
    }

    /// The arguments of task `i`: `{"n": i}`, and the extra bytes.
    pub fn pad(&self) -> Option<String> {
        (self.payload > 0).then(|| "x".repeat(self.payload))
    }

    /// Prints the line.
    pub fn report(&self, contender: &str, outcome: &Outcome) {
        let w1 = self.workload == Workload::W1;
        let quantile = |q| outcome.latency.as_ref().map(|h| h.value_at_quantile(q));
        let line = Line {
            contender,
            workload: self.workload,
            durability: self.durability,
            producers: w1.then_some(self.producers),
            concurrency: (!w1).then_some(self.concurrency),
            prefetch: self.prefetch,
            payload: self.payload,
            n: self.n,
            per_second: (self.n as f64 / outcome.took.as_secs_f64()).round(),
            p50_us: quantile(0.5),
            p99_us: quantile(0.99),
        };
        if !self.json {
            println!(
                "{contender}: {} tasks in {:.3} s",
                self.n,
                outcome.took.as_secs_f64()
            );
        }
        println!("{}", serde_json::to_string(&line).expect("plain numbers"));
    }
}

/// W1: `producers` tasks share `n` calls of `enqueue`; each call's time is kept.
pub async fn w1<F, Fut>(options: &Options, enqueue: F) -> Outcome
where
    F: Fn(usize) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = ()> + Send,
{
    let started = Instant::now();
    let each = options.n / options.producers;
    let producers: Vec<_> = (0..options.producers)
        .map(|producer| {
            let enqueue = enqueue.clone();
            tokio::spawn(async move {
                let mut latency = new_histogram();
                for i in 0..each {
                    let called = Instant::now();
                    enqueue(producer * each + i).await;
                    latency.saturating_record(called.elapsed().as_micros() as u64);
                }
                latency
            })
        })
        .collect();
    let mut latency = new_histogram();
    for producer in producers {
        latency
            .add(producer.await.expect("a producer"))
            .expect("equal bounds");
    }
    Outcome {
        took: started.elapsed(),
        latency: Some(latency),
    }
}

fn new_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000, 3).expect("sensible bounds")
}
