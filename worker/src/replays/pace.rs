//! How many cycles a replay begins at once. Pure.
//!
//! Its deliveries wait among the webhook's others, so only as few of them are due at a time as are soon sent: a fresh
//! event waits for those at most. When all of the last batch were sent by the next beat, the receiver is quick and a
//! batch may be twice as large, up to an eighth of a second's; otherwise there are few at a time.

use chrono::{DateTime, TimeDelta, Utc};

/// Due at a time of one replay, when the receiver does not keep up: half of the requests that a webhook has by default.
const FEW: i64 = 16;
/// What a replay may catch up when nobody came to it.
const LAG: TimeDelta = TimeDelta::seconds(1);

/// A replay's deliveries that have not ended.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Queued {
    /// Before or within their first attempt.
    pub waiting: i64,
    /// These, and those that will be tried again.
    pub all: i64,
}

/// How fast a replay goes.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    /// Cycles begun in a second.
    pub per_second: i32,
    /// When those begun so far are paid for.
    pub paid_until: Option<DateTime<Utc>>,
    /// The most of the last batch.
    pub batch: i32,
}

/// How many cycles may begin now.
pub(super) fn next(pace: &mut Pace, queued: Queued, now: DateTime<Utc>) -> i64 {
    let top = (i64::from(pace.per_second) + 7) / 8;
    let batch = i64::from(pace.batch);
    let (most, batch) = if queued.waiting == 0 {
        let most = (2 * batch).min(top);
        (most, most)
    } else {
        (FEW.min(top) - queued.waiting, batch.min(FEW))
    };
    pace.batch = i32::try_from(batch).unwrap_or(i32::MAX);
    most.min(pace.affordable(now)).max(0)
}

impl Pace {
    /// What has become due at the rate; one at the beginning.
    fn affordable(&self, now: DateTime<Utc>) -> i64 {
        let Some(paid_until) = self.paid_until else { return 1 };
        let micros = (now - paid_until).min(LAG).num_microseconds().unwrap_or_default();
        micros * i64::from(self.per_second) / 1_000_000
    }

    /// Takes so many into account.
    pub(super) fn spend(&mut self, begun: i64, now: DateTime<Utc>) {
        let price = TimeDelta::microseconds(begun * 1_000_000 / i64::from(self.per_second.max(1)));
        let from = self.paid_until.unwrap_or(now).max(now - LAG);
        self.paid_until = Some(from + price);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> DateTime<Utc> {
        DateTime::from_timestamp_millis(1_767_323_045_678).unwrap()
    }

    fn pace(per_second: i32) -> Pace {
        Pace { per_second, paid_until: None, batch: 1 }
    }

    /// Begins what may begin at each beat of 100 ms; of each batch the receiver takes so many by the next beat.
    fn begun(mut pace: Pace, seconds: i64, taken: i64) -> (i64, i64) {
        let (mut begun, mut waiting, mut longest) = (0, 0, 0);
        for beat in 0..seconds * 10 {
            let now = start() + TimeDelta::milliseconds(100 * beat);
            let most = next(&mut pace, Queued { waiting, all: waiting }, now);
            pace.spend(most, now);
            begun += most;
            longest = longest.max(waiting + most);
            waiting = (waiting + most - taken).max(0);
        }
        (begun, longest)
    }

    #[test]
    fn a_rate_is_used_and_kept() {
        for rate in [1, 3, 10, 100, 999, 1000] {
            let (begun, _) = begun(pace(rate), 60, 1_000);
            let whole = i64::from(rate) * 60;
            assert!(
                (whole * 95 / 100..=whole + i64::from(rate)).contains(&begun),
                "{rate}: {begun}"
            );
        }
    }

    #[test]
    fn of_a_receiver_that_does_not_keep_up_few_are_due_at_a_time() {
        let (begun, longest) = begun(pace(1000), 60, 1);
        assert!(longest <= 2 * FEW, "{longest}");
        assert!(begun >= 600, "it goes on as fast as the receiver takes: {begun}");
    }

    #[test]
    fn what_was_missed_is_caught_up_for_a_second_at_most() {
        let mut pace = Pace { batch: 1000, ..pace(1000) };
        pace.spend(1, start());
        let later = start() + TimeDelta::hours(1);
        assert_eq!(pace.affordable(later), 1000);
        pace.spend(1000, later);
        assert_eq!(pace.affordable(later), 0);
    }
}
