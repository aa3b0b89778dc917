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

/// How a redrive finds its pace: slowly at first, twice as fast each second while what it sends is accepted.
#[derive(Clone, Debug)]
pub(super) struct Ramp {
    /// The fastest that it gets.
    pub most: i32,
    /// When the pace was last looked at.
    pub at: Option<DateTime<Utc>>,
    /// Cycles accepted by then.
    pub accepted: i64,
    /// Cycles by then whose first attempt was not accepted.
    pub refused: i64,
}

impl Ramp {
    /// Sets the pace by what became of the last second's: half of it when one in ten was refused.
    pub(super) fn look(
        &mut self,
        pace: &mut Pace,
        (accepted, refused): (i64, i64),
        now: DateTime<Utc>,
    ) {
        if self.at.is_some_and(|at| now - at < TimeDelta::seconds(1)) {
            return;
        }
        let (newly, not) = (accepted - self.accepted, refused - self.refused);
        if not > 0 && not * 10 >= newly + not {
            pace.per_second = (pace.per_second / 2).max(1);
        } else if newly > 0 {
            pace.per_second = pace.per_second.saturating_mul(2).min(self.most);
        }
        (self.at, self.accepted, self.refused) = (Some(now), accepted, refused);
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
    fn a_ramp_doubles_while_all_is_accepted_and_halves_when_one_in_ten_is_refused() {
        let mut ramp = Ramp { most: 100, at: Some(start()), accepted: 0, refused: 0 };
        let mut pace = pace(1);
        let (mut seen, mut second, mut accepted, mut refused) = (Vec::new(), 0, 0, 0);
        for (newly, not) in [
            (1, 0),
            (2, 0),
            (4, 0),
            (0, 0),
            (8, 0),
            (16, 1),
            (20, 5),
            (0, 9),
            (90, 9),
            (90, 10),
            (0, 99),
        ] {
            (second, accepted, refused) = (second + 1, accepted + newly, refused + not);
            let now = start() + TimeDelta::seconds(second);
            ramp.look(&mut pace, (accepted, refused), now);
            ramp.look(&mut pace, (accepted + 1, refused), now);
            seen.push(pace.per_second);
        }
        assert_eq!(seen, [2, 4, 8, 8, 16, 32, 16, 8, 16, 8, 4]);
        for _ in 0..9 {
            (second, accepted) = (second + 1, accepted + 9);
            ramp.look(&mut pace, (accepted, refused), start() + TimeDelta::seconds(second));
        }
        assert_eq!(pace.per_second, 100, "as fast as it gets");
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
