//! Step 6 of 6. Before: worker/src/deliver.rs. After: the receiver has it, or the tenant can send it again.
//!
//! Pure: what an attempt came to, which attempt it was, the schedule and the time give what follows.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use shared::webhook::attempt::{NextAttempt, Why};

/// The longest that a receiver's `Retry-After` can put off an attempt.
const LONGEST_WISH: Duration = Duration::from_hours(1);

/// What one attempt came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A 2xx: the receiver has it.
    Accepted,
    /// A 410: the receiver wants no more of this webhook.
    Gone,
    /// Anything else, with how long the receiver asked to be left alone.
    Refused {
        /// From `Retry-After`.
        wish: Option<Duration>,
    },
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Delivered.
    Done,
    /// Another attempt at this time.
    At(DateTime<Utc>),
    /// Failed: kept, and sent again when the tenant asks for it.
    GiveUp,
    /// Failed, and the webhook is switched off.
    Disable,
}

/// The decision. `attempt` counts from 1; its wait is `schedule[attempt - 1]`, measured from the attempt's end.
/// With the default schedule the five attempts are at 0, 2, 4, 8 and 16 minutes after one another.
#[must_use]
pub fn next(verdict: Verdict, attempt: u32, schedule: &[Duration], ended: DateTime<Utc>) -> Next {
    let wish = match verdict {
        Verdict::Accepted => return Next::Done,
        Verdict::Gone => return Next::Disable,
        Verdict::Refused { wish } => wish.unwrap_or_default().min(LONGEST_WISH),
    };
    let wait =
        usize::try_from(attempt).ok().and_then(|attempt| schedule.get(attempt.checked_sub(1)?));
    match wait {
        Some(wait) => {
            Next::At(ended + TimeDelta::from_std((*wait).max(wish)).unwrap_or(TimeDelta::MAX))
        }
        None => Next::GiveUp,
    }
}

/// As long before an attempt's end as all waits of the schedule before it: the first of its cycle had ended by then.
#[must_use]
pub fn waits_before(attempt: u32, schedule: &[Duration], ended: DateTime<Utc>) -> DateTime<Utc> {
    let waits = usize::try_from(attempt).unwrap_or(usize::MAX).saturating_sub(1);
    let waited: Duration = schedule.iter().take(waits).sum();
    ended - TimeDelta::from_std(waited).unwrap_or(TimeDelta::MAX / 2)
}

/// The decision as it is told, with its reason.
#[must_use]
pub fn told(next: Next, attempt: u32, schedule: &[Duration], ended: DateTime<Utc>) -> NextAttempt {
    let at = |at, why| NextAttempt { at, why };
    match next {
        Next::Done => at(None, Why::Delivered),
        Next::Disable => at(None, Why::Gone),
        Next::GiveUp => at(None, Why::ScheduleEnded),
        Next::At(time) => {
            let refused = Verdict::Refused { wish: None };
            let scheduled = self::next(refused, attempt, schedule, ended) == next;
            at(Some(time), if scheduled { Why::Schedule } else { Why::RetryAfter })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_has_all_waits_of_the_schedule_before_it() {
        let ago = |minutes| ended() - TimeDelta::minutes(minutes);
        for (attempt, minutes) in [(1, 0), (2, 2), (4, 14), (5, 30), (9, 30)] {
            assert_eq!(waits_before(attempt, &MINUTES, ended()), ago(minutes), "{attempt}");
        }
    }

    const MINUTES: [Duration; 4] = [
        Duration::from_mins(2),
        Duration::from_mins(4),
        Duration::from_mins(8),
        Duration::from_mins(16),
    ];

    fn ended() -> DateTime<Utc> {
        DateTime::from_timestamp_millis(1_767_323_045_678).unwrap()
    }

    fn refused(wish: Option<u64>) -> Verdict {
        Verdict::Refused { wish: wish.map(Duration::from_secs) }
    }

    #[test]
    fn the_waits_are_exactly_2_4_8_and_16_minutes_and_the_fifth_failure_is_the_last() {
        for (attempt, minutes) in [(1, 2), (2, 4), (3, 8), (4, 16)] {
            let at = ended() + TimeDelta::minutes(minutes);
            assert_eq!(next(refused(None), attempt, &MINUTES, ended()), Next::At(at));
        }
        assert_eq!(next(refused(None), 5, &MINUTES, ended()), Next::GiveUp);
    }

    #[test]
    fn a_wish_can_lengthen_a_wait_up_to_an_hour_but_never_shorten_it() {
        for (wish, seconds) in [(1, 120), (300, 300), (86_400, 3_600)] {
            let at = ended() + TimeDelta::seconds(seconds);
            assert_eq!(next(refused(Some(wish)), 1, &MINUTES, ended()), Next::At(at));
        }
        assert_eq!(next(refused(Some(60)), 5, &MINUTES, ended()), Next::GiveUp);
    }

    #[test]
    fn a_2xx_ends_it_and_a_410_ends_the_webhook_at_any_attempt() {
        for attempt in 1..=5 {
            assert_eq!(next(Verdict::Accepted, attempt, &MINUTES, ended()), Next::Done);
            assert_eq!(next(Verdict::Gone, attempt, &MINUTES, ended()), Next::Disable);
        }
    }

    #[test]
    fn the_reason_is_told_with_the_time() {
        for (verdict, attempt, why) in [
            (Verdict::Accepted, 1, Why::Delivered),
            (Verdict::Gone, 1, Why::Gone),
            (refused(None), 1, Why::Schedule),
            (refused(Some(120)), 1, Why::Schedule),
            (refused(Some(121)), 1, Why::RetryAfter),
            (refused(Some(121)), 5, Why::ScheduleEnded),
        ] {
            let next = next(verdict, attempt, &MINUTES, ended());
            assert_eq!(told(next, attempt, &MINUTES, ended()).why, why, "{verdict:?} {attempt}");
        }
    }
}
