//! Prints one row of the table.

/// Prints one row: the percentiles of these durations, which are in microseconds.
pub(super) fn print_row(label: &str, mut micros: Vec<i64>) {
    micros.sort_unstable();
    let quantile_ms = |quantile: f64| {
        let last = micros.len().saturating_sub(1);
        let index = (last as f64 * quantile).round() as usize;
        micros.get(index).copied().unwrap_or_default() as f64 / 1_000.0
    };
    println!(
        "{label}: p50 {:.3} ms, p99 {:.3} ms, max {:.3} ms (n = {})",
        quantile_ms(0.5),
        quantile_ms(0.99),
        quantile_ms(1.0),
        micros.len()
    );
}
