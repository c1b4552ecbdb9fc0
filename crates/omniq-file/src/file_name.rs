//! The names of task files: a time and an id whose text sorts like their numbers.

use std::fmt;

use omniq_core::{TaskId, Timestamp};

/// The ending of a task's file.
pub(crate) const ENDING: &str = ".json";

const MICROS: i64 = 1_000_000;
const DAY: i64 = 24 * 60 * 60;

/// The name of a task's file on a shelf, without its ending: `20261128T112925.123456-0000000000042`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct FileName {
    pub(crate) time: Timestamp,
    pub(crate) id: TaskId,
}

impl FileName {
    pub(crate) const LEN: usize = 36;

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (time, id) = text.split_at_checked(Self::LEN - 14)?;
        let id: TaskId = id.strip_prefix('-')?.parse().ok()?;
        let time = parse_time(time)?;
        let name = Self { time, id };
        // Each name has exactly one spelling.
        (name.to_string() == text).then_some(name)
    }

    /// Parses the name of a task's file, with its ending.
    pub(crate) fn of_file(text: &str) -> Option<Self> {
        Self::parse(text.strip_suffix(ENDING)?)
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_time(self.time.0, f)?;
        write!(f, "-{}", self.id)
    }
}

/// Writes a readable time if the year has four digits, otherwise a number that sorts before or after all those.
fn write_time(micros: i64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (seconds, rest) = (micros.div_euclid(MICROS), micros.rem_euclid(MICROS));
    let (days, second) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    let (year, month, day) = date(days);
    match year {
        0..=9999 => write!(
            f,
            "{year:04}{month:02}{day:02}T{:02}{:02}{:02}.{rest:06}",
            second / 3600,
            second / 60 % 60,
            second % 60
        ),
        ..0 => write!(f, "--.{:019}", micros.wrapping_sub(i64::MIN)),
        _ => write!(f, "z-.{micros:019}"),
    }
}

fn parse_time(text: &str) -> Option<Timestamp> {
    if let Some(early) = text.strip_prefix("--.") {
        return Some(Timestamp(early.parse::<i64>().ok()?.wrapping_add(i64::MIN)));
    }
    if let Some(late) = text.strip_prefix("z-.") {
        return Some(Timestamp(late.parse().ok()?));
    }
    let part = |from: usize, to: usize| -> Option<i64> { text.get(from..to)?.parse().ok() };
    let days = days(part(0, 4)?, part(4, 6)?, part(6, 8)?);
    let second = part(9, 11)? * 3600 + part(11, 13)? * 60 + part(13, 15)?;
    Some(Timestamp((days * DAY + second) * MICROS + part(16, 22)?))
}

/// Parses `2026-11-28T11:29:25.123456Z`, with up to six digits for the fraction of the second.
pub(crate) fn parse_utc(text: &str) -> Option<Timestamp> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, ""));
    if date.len() != 10 || time.len() != 8 || fraction.len() > 6 {
        return None;
    }
    let (date, time) = (date.replace('-', ""), time.replace(':', ""));
    let compact = format!("{date}T{time}.{fraction:0<6}");
    let found = parse_time(&compact)?;
    let id = TaskId::from_i64(1)?;
    // This refuses a 31st of February: it would be written as another date.
    FileName::parse(&format!("{compact}-{id}")).map(|_| found)
}

/// Returns the date that is this many days after 1970-01-01, by Howard Hinnant's algorithm.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year + era * 400 + i64::from(month <= 2);
    (year, month, of_year - (153 * shifted + 2) / 5 + 1)
}

/// Returns the days from 1970-01-01 to a date.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(time: i64, id: i64) -> FileName {
        FileName {
            time: Timestamp(time),
            id: TaskId::from_i64(id).unwrap(),
        }
    }

    #[test]
    fn a_name_is_readable() {
        let text = name(1_795_865_365_123_456, 130).to_string();
        assert_eq!(text, "20261128T112925.123456-0000000000042");
        assert_eq!(text.len(), FileName::LEN);
    }

    #[test]
    fn names_are_parsed_back_and_sort_by_time() {
        let year = 365 * DAY * MICROS;
        let mut times = vec![i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX - 1, i64::MAX];
        times.extend((-3000..12_000).map(|n| n * year + n * 86_399_000_077));
        let leap = 1_709_164_800 * MICROS;
        times.extend([leap - 1, leap, leap + DAY * MICROS]);
        times.sort_unstable();
        let names: Vec<_> = times.into_iter().map(|time| name(time, 7)).collect();
        let texts: Vec<_> = names.iter().map(ToString::to_string).collect();
        assert!(texts.is_sorted());
        for (name, text) in names.iter().zip(&texts) {
            assert_eq!(text.len(), FileName::LEN, "{text}");
            assert_eq!(FileName::parse(text), Some(*name), "{text}");
        }
        for wrong in [
            "",
            "20261301T112925.123456-0000000000042",
            "x",
            "20261128T112925.123456-000000000004é",
        ] {
            assert_eq!(FileName::parse(wrong), None, "{wrong}");
        }
    }
}
