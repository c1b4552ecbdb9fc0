//! Assigns the ids of tasks.

use omniq_core::{Error, ErrorKind, Result, TaskId, Timestamp};

/// The number of bits below the milliseconds; they count the tasks of one millisecond.
const COUNT_BITS: u32 = 21;
const MAX_MILLIS: i64 = (1 << (63 - COUNT_BITS)) - 1;

/// Assigns ids that always rise, even if the clock is set back.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    last: i64,
}

impl Ids {
    /// Returns `count` new ids, all or none.
    ///
    /// # Errors
    ///
    /// If there are not enough ids left.
    pub(crate) fn assign(&mut self, count: usize, now: Timestamp) -> Result<Vec<TaskId>> {
        let millis = (now.as_micros() / 1000).clamp(0, MAX_MILLIS);
        let first = self.last.saturating_add(1).max(millis << COUNT_BITS);
        let ids: Vec<_> = (first..i64::MAX)
            .take(count)
            .filter_map(TaskId::from_i64)
            .collect();
        if ids.len() < count {
            return Err(Error::new(ErrorKind::Storage, "there are no ids left"));
        }
        self.last = ids.last().map_or(self.last, |id| id.as_i64());
        Ok(ids)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_rise_and_run_out_instead_of_wrapping() {
        let mut ids = Ids::default();
        let early = ids.assign(2, Timestamp(-5)).unwrap();
        let later = ids.assign(1, Timestamp(2_000)).unwrap();
        let back = ids.assign(1, Timestamp(1_000)).unwrap();
        assert_eq!(early[0].as_i64(), 1);
        assert_eq!(later[0].as_i64(), 2 << COUNT_BITS);
        assert!(back[0] > later[0]);
        ids.assign(1 << 20, Timestamp(i64::MAX)).unwrap();
        assert!(ids.assign(1 << 20, Timestamp(i64::MAX)).is_err());
        ids.assign(1, Timestamp(0)).unwrap();
    }
}
