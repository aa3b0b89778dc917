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
    /// Another attempt.
    At {
        /// When.
        at: DateTime<Utc>,
        /// Why then.
        why: Why,
    },
    /// Failed: kept, and sent again when the tenant asks for it.
    GiveUp(Why),
    /// Failed, and the webhook is switched off.
    Disable,
}

impl From<Next> for NextAttempt {
    fn from(next: Next) -> Self {
        match next {
            Next::Done => Self { at: None, why: Why::Delivered },
            Next::At { at, why } => Self { at: Some(at), why },
            Next::GiveUp(why) => Self { at: None, why },
            Next::Disable => Self { at: None, why: Why::Gone },
        }
    }
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
        Some(wait) => Next::At {
            at: ended + TimeDelta::from_std((*wait).max(wish)).unwrap_or(TimeDelta::MAX),
            why: if wish > *wait { Why::RetryAfter } else { Why::Schedule },
        },
        None => Next::GiveUp(Why::ScheduleEnded),
    }
}

/// As long before an attempt's end as all waits of the schedule before it: the first of its cycle had ended by then.
#[must_use]
pub fn waits_before(attempt: u32, schedule: &[Duration], ended: DateTime<Utc>) -> DateTime<Utc> {
    let waits = usize::try_from(attempt).unwrap_or(usize::MAX).saturating_sub(1);
    let waited: Duration = schedule.iter().take(waits).sum();
    ended - TimeDelta::from_std(waited).unwrap_or(TimeDelta::MAX / 2)
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
            let scheduled = Next::At { at, why: Why::Schedule };
            assert_eq!(next(refused(None), attempt, &MINUTES, ended()), scheduled);
        }
        assert_eq!(next(refused(None), 5, &MINUTES, ended()), Next::GiveUp(Why::ScheduleEnded));
    }

    #[test]
    fn a_wish_can_lengthen_a_wait_up_to_an_hour_but_never_shorten_it() {
        for (wish, seconds, why) in [
            (1, 120, Why::Schedule),
            (120, 120, Why::Schedule),
            (121, 121, Why::RetryAfter),
            (86_400, 3_600, Why::RetryAfter),
        ] {
            let at = ended() + TimeDelta::seconds(seconds);
            assert_eq!(next(refused(Some(wish)), 1, &MINUTES, ended()), Next::At { at, why });
        }
        assert_eq!(next(refused(Some(60)), 5, &MINUTES, ended()), Next::GiveUp(Why::ScheduleEnded));
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
        let at = ended() + TimeDelta::seconds(121);
        for (verdict, attempt, told) in [
            (Verdict::Accepted, 1, NextAttempt { at: None, why: Why::Delivered }),
            (Verdict::Gone, 1, NextAttempt { at: None, why: Why::Gone }),
            (refused(Some(121)), 1, NextAttempt { at: Some(at), why: Why::RetryAfter }),
            (refused(Some(121)), 5, NextAttempt { at: None, why: Why::ScheduleEnded }),
        ] {
            let next = next(verdict, attempt, &MINUTES, ended());
            assert_eq!(NextAttempt::from(next), told, "{verdict:?} {attempt}");
        }
    }
}
