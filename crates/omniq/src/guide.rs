//! Guides to using OmniQ.

#[doc = include_str!("../docs/writing-tasks.md")]
pub mod writing_tasks {}
