//! The rules of this repository. The rules themselves are ordinary tests, in `tests/`: `cargo test -p xtask`.
//!
//! This library has what the tests share: it reads and measures the source files.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod cycles;
pub mod functions;
pub mod import_graph;
mod modules;
pub mod sources;
pub mod test_code;
pub mod words;

pub use sources::{Source, root, sources};
