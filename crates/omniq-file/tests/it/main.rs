//! What is special about a queue that is a folder.
#![allow(clippy::unwrap_used)]

mod common;
mod dropped_in;
#[cfg(target_os = "linux")]
mod garbage;
mod moved;
mod rebuilt;
mod surroundings;
mod two_handles;
