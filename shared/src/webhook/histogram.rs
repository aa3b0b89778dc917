//! Times kept as counts: logarithmic buckets, each 1.9 % wider than the one before, so that any percentile read from
//! them is within 1 % of the exact one, at a cost that does not grow with the number of times. Pure.

use chrono::{DateTime, TimeDelta, Utc};

/// How much wider each bucket is than the one before. A bucket's value is within (1.019 - 1) / (1.019 + 1), less than
/// 0.95 %, of every time in it.
const GROWTH: f64 = 1.019;

/// In place of a bucket: an acceptance after a resend, whose time says nothing of the receiver.
pub const RESENT: i32 = -1;
/// Likewise: an attempt that failed.
pub const FAILED: i32 = -2;

/// How long counts are added up before others are begun, in seconds.
pub const SLOT: i64 = 600;

/// The bucket of a time; what is shorter than a millisecond counts as one.
#[must_use]
pub fn bucket(time: TimeDelta) -> i32 {
    let millis = i32::try_from(time.num_milliseconds().max(1)).unwrap_or(i32::MAX);
    #[expect(clippy::cast_possible_truncation, reason = "at most 1,143: ln(i32::MAX) / ln(1.019)")]
    let bucket = (f64::from(millis).ln() / GROWTH.ln()).ceil() as i32;
    bucket
}

/// The time that stands for those of a bucket, in milliseconds to the hundredth. Where a bucket holds one whole
/// number of milliseconds it is that number.
#[must_use]
pub fn value(bucket: i32) -> f64 {
    if bucket <= 0 {
        return 1.0;
    }
    let (from, to) = (GROWTH.powi(bucket - 1).floor() + 1.0, GROWTH.powi(bucket).floor());
    let middle = if to <= from { to } else { 2.0 * from * to / (from + to) };
    (middle * 100.0).round() / 100.0
}

/// The percentile by nearest rank, in milliseconds; none without any times.
/// `counts` are buckets with their counts, the lowest first.
#[must_use]
pub fn percentile(counts: &[(i32, i64)], percent: i64) -> Option<f64> {
    let all: i64 = counts.iter().map(|(_, count)| count).sum();
    let rank = (all * percent + 99) / 100;
    let mut passed = 0;
    counts.iter().find_map(|(bucket, count)| {
        passed += count;
        (all > 0 && passed >= rank.max(1)).then(|| value(*bucket))
    })
}

/// The beginning of the slot that a moment belongs to.
#[must_use]
pub fn slot(moment: DateTime<Utc>) -> DateTime<Utc> {
    let seconds = moment.timestamp();
    DateTime::from_timestamp(seconds - seconds.rem_euclid(SLOT), 0).unwrap_or(moment)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(millis: i32) -> i32 {
        bucket(TimeDelta::milliseconds(millis.into()))
    }

    fn counted(times: &[i32]) -> Vec<(i32, i64)> {
        let mut counts = std::collections::BTreeMap::new();
        for time in times {
            *counts.entry(of(*time)).or_default() += 1;
        }
        counts.into_iter().collect()
    }

    #[test]
    fn the_value_of_a_bucket_is_within_one_percent_of_every_time_in_it() {
        let mut time = 1_i32;
        while let Some(next) = time.checked_add(1 + time / 700) {
            let (shown, exact) = (value(of(time)), f64::from(time));
            assert!((shown - exact).abs() <= 0.01 * exact, "{time}: {shown}");
            time = next;
        }
    }

    #[test]
    fn short_times_are_kept_to_the_millisecond_and_the_longest_in_the_last_bucket() {
        for time in 1..=50 {
            assert!((value(of(time)) - f64::from(time)).abs() < 1e-9, "{time}");
        }
        assert_eq!((of(0), of(-5)), (of(1), 0));
        assert_eq!(bucket(TimeDelta::days(90)), of(i32::MAX));
    }

    #[test]
    fn percentiles_are_within_one_percent_of_those_of_the_sorted_times() {
        let mut times: Vec<i32> = (0..5_000).map(|n| 1 + (n * n % 86_411) * 7).collect();
        let counts = counted(&times);
        times.sort_unstable();
        for percent in [1_u16, 50, 95, 99, 100] {
            let rank = (times.len() * usize::from(percent)).div_ceil(100);
            let exact = f64::from(times[rank - 1]);
            let shown = percentile(&counts, percent.into()).unwrap();
            assert!((shown - exact).abs() <= 0.01 * exact, "p{percent}: {shown} {exact}");
        }
    }

    #[test]
    fn there_is_no_percentile_of_nothing_and_every_one_of_a_single_time_is_that_time() {
        assert_eq!(percentile(&[], 50), None);
        for percent in [1, 50, 99] {
            assert_eq!(percentile(&counted(&[7]), percent), Some(7.0));
        }
    }

    #[test]
    fn a_slot_begins_at_its_ten_minutes() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        assert_eq!(slot(at("2026-01-02T03:09:59.999Z")), at("2026-01-02T03:00:00Z"));
        assert_eq!(slot(at("2026-01-02T03:10:00Z")), at("2026-01-02T03:10:00Z"));
    }
}
