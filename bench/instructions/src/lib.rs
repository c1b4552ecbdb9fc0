//! Counts instructions: see `benches/paths.rs`.
