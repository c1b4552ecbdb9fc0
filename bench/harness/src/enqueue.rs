//! W1 and W2: producers enqueue tasks, and the time of each call is recorded.

use std::time::Instant;

use crate::clock::cpu_nanos;
use crate::{Contender, Options, Outcome, Result, Workload, preload};

/// The number of tasks per call in W2.
const BULK: usize = 1_000;

pub(crate) async fn w1_w2<C: Contender>(contender: &C, options: &Options) -> Result<Outcome> {
    let per_call = if options.workload == Workload::W2 {
        BULK
    } else {
        1
    };
    let calls = (options.n() / options.producers / per_call).max(1);
    let (started, cpu) = (Instant::now(), cpu_nanos());
    let producers: Vec<_> = (0..options.producers)
        .map(|producer| {
            let first = producer * calls * per_call;
            tokio::spawn(produce(
                contender.clone(),
                options.clone(),
                first,
                calls,
                per_call,
            ))
        })
        .collect();
    let mut latencies = Vec::new();
    for producer in producers {
        latencies.extend(producer.await??);
    }
    let tasks = calls * per_call * options.producers;
    Ok(Outcome::timed(started.elapsed(), tasks)
        .cpu(cpu_nanos() - cpu)
        .latencies(latencies))
}

async fn produce<C: Contender>(
    contender: C,
    options: Options,
    first: usize,
    calls: usize,
    per_call: usize,
) -> Result<Vec<u64>> {
    let pad = preload::pad(&options);
    let mut latencies = Vec::with_capacity(calls);
    for n in (first..).step_by(per_call).take(calls) {
        let called = Instant::now();
        if per_call == 1 {
            contender.enqueue(preload::job(&options, &pad, n)).await?;
        } else {
            let jobs = (n..n + per_call).map(|n| preload::job(&options, &pad, n));
            contender.enqueue_many(jobs.collect()).await?;
        }
        latencies.push(called.elapsed().as_nanos() as u64);
    }
    Ok(latencies)
}
