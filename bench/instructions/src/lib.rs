//! This package has only a benchmark, `benches/paths.rs`, which counts instructions.
