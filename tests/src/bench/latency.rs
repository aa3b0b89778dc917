//! Percentiles. Averages hide what callers feel, so there are none.

use std::time::Duration;

use hdrhistogram::Histogram;

/// The longest time told apart from longer ones.
const MOST: Duration = Duration::from_mins(10);

/// Times, kept to three digits from a microsecond up.
#[derive(Clone, Debug)]
pub struct Latencies(Histogram<u64>);

impl Latencies {
    pub fn new() -> Self {
        let most = u64::try_from(MOST.as_micros()).unwrap_or(u64::MAX);
        #[expect(
            clippy::expect_used,
            reason = "the bounds are constants that the histogram accepts"
        )]
        Self(Histogram::new_with_bounds(1, most, 3).expect("constant bounds"))
    }

    pub fn record(&mut self, time: Duration) {
        self.0.saturating_record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    pub fn merge(&mut self, other: &Self) {
        // Both have the same bounds, so that nothing can be out of range.
        let _ = self.0.add(&other.0);
    }

    pub fn count(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap_or(u32::MAX)
    }

    /// The time in milliseconds that so many of a hundred do not exceed; 0 when there are none.
    pub fn percentile_ms(&self, percent: f64) -> f64 {
        let micros = u32::try_from(self.0.value_at_percentile(percent)).unwrap_or(u32::MAX);
        f64::from(micros) / 1e3
    }
}

impl FromIterator<Duration> for Latencies {
    fn from_iter<I: IntoIterator<Item = Duration>>(times: I) -> Self {
        let mut all = Self::new();
        for time in times {
            all.record(time);
        }
        all
    }
}

/// The middle one; the mean of the two middle ones of an even number; 0 of none.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let upper = values.len() / 2;
    match values.len() {
        0 => 0.0,
        count if count % 2 == 1 => values[upper],
        _ => f64::midpoint(values[upper - 1], values[upper]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_exact_to_three_digits_and_medians_to_the_last() {
        let times: Latencies = (1..=1000).map(Duration::from_millis).collect();
        assert_eq!(times.count(), 1000);
        assert!((times.percentile_ms(50.0) - 500.0).abs() < 0.5);
        assert!((times.percentile_ms(99.0) - 990.0).abs() < 1.0);
        assert!((median([3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!((median([4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < f64::EPSILON);
    }
}
