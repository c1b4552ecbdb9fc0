//! A batch: what the operations share.

use omniq_core::storage::Effects;
use rusqlite::Connection;

use super::bulk_insert::BulkInsert;
use crate::ids::HighWater;
use crate::lane_heads::LaneHeads;
use crate::lanes::Lanes;

/// A transaction that several commands share, and the changes that it will have made.
pub(crate) struct Batch<'a> {
    pub(crate) conn: &'a Connection,
    pub(crate) lanes: &'a mut Lanes,
    pub(crate) lane_heads: &'a mut LaneHeads,
    pub(crate) high_water: &'a mut HighWater,
    pub(crate) bulk_insert: &'a mut BulkInsert,
    pub(crate) effects: &'a mut Effects,
}
