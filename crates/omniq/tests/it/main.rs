//! The front door, on every storage that is built in.
#![allow(clippy::unwrap_used)]

mod setup;

mod failures;
mod handles;
mod own_loop;
mod pools;
mod running;
mod stopping;
mod trouble;
