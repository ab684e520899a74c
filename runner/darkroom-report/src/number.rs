//! Formats numbers for a reader: three significant figures, no exponent, no false zeros.

/// Returns a value as it is shown in text and tables.
pub fn figure(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        v if v >= 1.0 => format!("{value:.2}"),
        v if v >= 0.1 || v == 0.0 => format!("{value:.3}"),
        v if v >= 0.01 => format!("{value:.4}"),
        v if v >= 0.001 => format!("{value:.5}"),
        _ => format!("{value:.2e}"),
    }
}

/// Returns an interval, as `[low, high]`.
pub fn interval(bounds: Option<(f64, f64)>) -> String {
    bounds
        .map(|(low, high)| format!("[{}, {}]", figure(low), figure(high)))
        .unwrap_or_default()
}

/// Returns `count` things, in the plural where it is one.
pub fn count(count: usize, thing: &str) -> String {
    if count == 1 {
        format!("1 {thing}")
    } else {
        format!("{count} {thing}s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_figures_and_no_exponent_unless_tiny() {
        let spelt = [1234.5, 99.96, 5.678, 0.5, 0.0421, -0.003_49, 0.0, 0.000_012].map(figure);
        assert_eq!(
            spelt,
            [
                "1234", "100.0", "5.68", "0.500", "0.0421", "-0.00349", "0.000", "1.20e-5"
            ]
        );
    }
}
