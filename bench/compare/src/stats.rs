//! Computes median, minimum and maximum, and formats numbers.

/// The median, minimum and maximum over the rounds of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

impl Spread {
    /// Returns the spread of these values, or `None` if there are none.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let half = sorted.len() / 2;
        let median = match sorted.len() % 2 {
            1 => sorted[half],
            _ => (sorted[half - 1] + sorted[half]) / 2.0,
        };
        Some(Self { median, min, max })
    }

    /// Formats the spread, such as `94.6k (82.9k to 101.1k)`.
    pub fn format(self, unit: impl Fn(f64) -> String) -> String {
        format!(
            "{} ({} to {})",
            unit(self.median),
            unit(self.min),
            unit(self.max)
        )
    }
}

/// Formats a rate, in thousands from 1,000 on.
pub fn rate(value: f64) -> String {
    match value {
        v if v >= 100_000.0 => format!("{:.0}k", v / 1_000.0),
        v if v >= 1_000.0 => format!("{:.1}k", v / 1_000.0),
        v => format!("{v:.0}"),
    }
}

pub fn ratio(value: f64) -> String {
    format!("{value:.2}")
}

/// Formats microseconds, as milliseconds from 1,000 on.
pub fn time(us: f64) -> String {
    match us {
        us if us >= 1_000.0 => format!("{:.2} ms", us / 1_000.0),
        us if us < 10.0 => format!("{us:.1} µs"),
        us => format!("{us:.0} µs"),
    }
}

pub fn bytes(count: f64) -> String {
    format!("{:.1} MB", count / 1_000_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_count_is_the_mean_of_the_middle_two() {
        let spread = Spread::of([4.0, 1.0, 3.0, 2.0]).unwrap();
        assert_eq!((spread.min, spread.median, spread.max), (1.0, 2.5, 4.0));
        assert_eq!(Spread::of([]), None);
    }

    #[test]
    fn numbers_are_abbreviated() {
        assert_eq!(rate(123_456.0), "123k");
        assert_eq!(rate(4_567.0), "4.6k");
        assert_eq!(rate(89.0), "89");
        assert_eq!(time(1_234.0), "1.23 ms");
        assert_eq!(time(45.6), "46 µs");
    }
}
