//! The operations of the writer inside a batch's transaction, one file for each.

mod batch;
mod bulk_insert;
mod claim;
mod enqueue;
mod lease;
mod purge;
mod settle;

pub(crate) use batch::Batch;
pub(crate) use bulk_insert::BulkInsert;
pub(crate) use lease::hold;
#[cfg(feature = "sqlx")]
pub(crate) use settle::refusal;
