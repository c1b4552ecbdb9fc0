//! The performance targets, as data.

pub enum Bound {
    AtLeast(f64),
    AtMost(f64),
}
use Bound::{AtLeast, AtMost};

/// The value that is computed from the measurements of a row.
pub enum Measure {
    /// OmniQ's rate divided by the other's.
    Rate,
    /// How many times slower OmniQ is than the other.
    Slowness,
    /// OmniQ's CPU time per task divided by the other's.
    Cpu,
    /// OmniQ's median latency divided by the other's.
    Latency,
    /// OmniQ's median latency minus one flush of the disk, in microseconds.
    BeyondFlush,
    /// OmniQ's median latency minus the other's, in microseconds.
    AddedLatency,
}
use Measure::{AddedLatency, BeyondFlush, Cpu, Latency, Rate, Slowness};

/// The text, the table, OmniQ's options, the other contender and its options, the value and its bound.
pub type Target = (
    &'static str,
    &'static str,
    &'static str,
    (&'static str, &'static str),
    Measure,
    Bound,
);

const FEW: (&str, &str) = ("omniq", "--durability full --backlog 1000");

// The list stays readable with one target per entry.
#[rustfmt::skip]
pub const TARGETS: &[Target] = &[
    ("W1, 1 producer, full: 0.85 of the raw limit",
        "w1", "--producers 1 --durability full", ("limit", "--producers 1 --durability full"), Rate, AtLeast(0.85)),
    ("W1, 1 producer, normal: 1.5 times effectum",
        "w1", "--producers 1 --durability normal", ("effectum", "--producers 1 --durability normal"), Rate, AtLeast(1.5)),
    ("W1, 64 producers, full: 0.75 of the raw limit",
        "w1", "--producers 64 --durability full", ("limit", "--producers 64 --durability full"), Rate, AtLeast(0.75)),
    ("W1, 64 producers, full: no slower than effectum at normal",
        "w1", "--producers 64 --durability full", ("effectum", "--producers 64 --durability normal"), Rate, AtLeast(1.0)),
    ("W2, full: 0.4 of the raw limit",
        "w2", "--producers 1 --durability full", ("limit", "--producers 1 --durability full"), Rate, AtLeast(0.4)),
    ("W2, normal: 2.5 times effectum",
        "w2", "--producers 1 --durability normal", ("effectum", "--producers 1 --durability normal"), Rate, AtLeast(2.5)),
    ("W3, 100 handlers, full: 0.6 of the raw limit",
        "w3", "--concurrency 100 --durability full", ("limit", "--concurrency 100 --durability full --prefetch 256"), Rate, AtLeast(0.6)),
    ("W3, 100 handlers, full: 3 times effectum at normal",
        "w3", "--concurrency 100 --durability full", ("effectum", "--concurrency 100 --durability normal"), Rate, AtLeast(3.0)),
    ("W3, 10 handlers, full: 3 times effectum at normal",
        "w3", "--concurrency 10 --durability full", ("effectum", "--concurrency 10 --durability normal"), Rate, AtLeast(3.0)),
    ("W3, 1 handler, full: no slower than effectum at normal",
        "w3", "--concurrency 1 --durability full", ("effectum", "--concurrency 1 --durability normal"), Rate, AtLeast(1.0)),
    ("W3, 1 handler, strict: 0.7 of the strict limit",
        "w3", "--concurrency 1 --durability full --prefetch 0", ("limit", "--concurrency 1 --durability full --prefetch 0"), Rate, AtLeast(0.7)),
    ("W3, 10 handlers, strict: 0.7 of the strict limit",
        "w3", "--concurrency 10 --durability full --prefetch 0", ("limit", "--concurrency 10 --durability full --prefetch 0"), Rate, AtLeast(0.7)),
    ("W3, 100 handlers, strict: 0.7 of the strict limit",
        "w3", "--concurrency 100 --durability full --prefetch 0", ("limit", "--concurrency 100 --durability full --prefetch 0"), Rate, AtLeast(0.7)),
    ("W4, normal: at most half of effectum's median",
        "w4", "--durability normal", ("effectum", "--durability normal"), Latency, AtMost(0.5)),
    ("W4, full: at most 200 µs beyond one flush",
        "w4", "--durability full", ("limit", "--durability full"), BeyondFlush, AtMost(200.0)),
    ("W4 across processes, full: at most 1 ms more than in one process",
        "w4", "--durability full --across", ("omniq", "--durability full"), AddedLatency, AtMost(1_000.0)),
    ("W4 across processes, normal: at most 1 ms more than in one process",
        "w4", "--durability normal --across", ("omniq", "--durability normal"), AddedLatency, AtMost(1_000.0)),
    ("W5, 1,000,000 tasks waiting, compared with 1,000: at most 1.5 times slower",
        "w5", "--durability full --backlog 1000000", FEW, Slowness, AtMost(1.5)),
    ("W5, the same: at most 1.2 times the CPU per task",
        "w5", "--durability full --backlog 1000000", FEW, Cpu, AtMost(1.2)),
    ("W5, 100,000 tasks of higher priority, due in a day: at most 1.5 times slower",
        "w5", "--durability full --backlog 1000 --future 100000", FEW, Slowness, AtMost(1.5)),
    ("W5, the same: at most 1.2 times the CPU per task",
        "w5", "--durability full --backlog 1000 --future 100000", FEW, Cpu, AtMost(1.2)),
    ("W5, 100,000 tasks with other names: at most 1.5 times slower",
        "w5", "--durability full --backlog 1000 --foreign 100000", FEW, Slowness, AtMost(1.5)),
    ("W5, the same: at most 1.2 times the CPU per task",
        "w5", "--durability full --backlog 1000 --foreign 100000", FEW, Cpu, AtMost(1.2)),
];
