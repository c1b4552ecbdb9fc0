//! Points in time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// A point in time: microseconds since 1970-01-01 00:00 UTC. It is serialized as an integer.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Returns the microseconds since 1970-01-01 00:00 UTC.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Returns the time `span` later, at most the latest time that can be represented.
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(micros(span)))
    }

    /// Returns the time `span` earlier, at least the earliest time that can be represented.
    pub fn before(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(micros(span)))
    }

    /// Returns the time from `earlier` to this; zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0).max(0).unsigned_abs())
    }
}

/// Returns the whole microseconds of a span, at most `i64::MAX`.
fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        match time.duration_since(UNIX_EPOCH) {
            Ok(since) => Self(micros(since)),
            Err(before) => Self(-micros(before.duration())),
        }
    }
}

impl From<Timestamp> for SystemTime {
    fn from(time: Timestamp) -> Self {
        let span = Duration::from_micros(time.0.unsigned_abs());
        let converted = if time.0 < 0 {
            UNIX_EPOCH.checked_sub(span)
        } else {
            UNIX_EPOCH.checked_add(span)
        };
        converted.unwrap_or(UNIX_EPOCH)
    }
}

#[cfg(feature = "jiff")]
impl From<jiff::Timestamp> for Timestamp {
    fn from(time: jiff::Timestamp) -> Self {
        Self(time.as_microsecond())
    }
}

#[cfg(feature = "jiff")]
impl From<jiff::Zoned> for Timestamp {
    fn from(time: jiff::Zoned) -> Self {
        time.timestamp().into()
    }
}

#[cfg(feature = "chrono")]
impl<Z: chrono::TimeZone> From<chrono::DateTime<Z>> for Timestamp {
    fn from(time: chrono::DateTime<Z>) -> Self {
        Self(time.timestamp_micros())
    }
}

/// The time at which a task becomes due, given absolutely or relative to the write that records it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Due {
    /// This long after the write.
    In(Duration),
    /// At this time.
    At(Timestamp),
}

impl Due {
    /// At the time of the write.
    pub const NOW: Self = Self::In(Duration::ZERO);

    /// Returns the time for a write at `now`.
    pub fn resolve(self, now: Timestamp) -> Timestamp {
        match self {
            Self::In(span) => now.after(span),
            Self::At(time) => time,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Timestamp(1).after(Duration::MAX), Timestamp(i64::MAX));
        assert_eq!(Timestamp(-2).before(Duration::MAX), Timestamp(i64::MIN));
        assert_eq!(Timestamp(5).since(Timestamp(9)), Duration::ZERO);
        assert_eq!(Timestamp(9).since(Timestamp(5)), Duration::from_micros(4));
    }

    #[test]
    fn system_time_round_trips_on_both_sides_of_1970() {
        for micros in [-1_500_000, -1, 0, 1, 1_790_000_000_123_456] {
            assert_eq!(
                Timestamp::from(SystemTime::from(Timestamp(micros))),
                Timestamp(micros)
            );
        }
    }

    #[cfg(feature = "jiff")]
    #[test]
    fn jiff_times_mean_the_same_microsecond() {
        let time: jiff::Timestamp = "2026-11-22T05:00:00.123456Z".parse().unwrap();
        assert_eq!(Timestamp::from(time), Timestamp(1_795_323_600_123_456));
        assert_eq!(
            Timestamp::from(time.to_zoned(jiff::tz::TimeZone::UTC)),
            time.into()
        );
    }

    #[cfg(feature = "chrono")]
    #[test]
    fn chrono_times_mean_the_same_microsecond() {
        let time: chrono::DateTime<chrono::FixedOffset> =
            "2026-11-22T06:00:00.123456+01:00".parse().unwrap();
        assert_eq!(Timestamp::from(time), Timestamp(1_795_323_600_123_456));
    }
}
