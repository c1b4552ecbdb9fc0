//! Tests the writer with an engine that the tests control: what decision 0001 promises for batches and failures, and
//! what a storage gets for parked claims, signals and closing.
#![allow(clippy::unwrap_used, unreachable_pub)]

mod batches;
mod claims;
mod closing;
mod engine;
mod failures;
mod fixture;
mod signals;
