//! Why a delivery that is due waits: its receiver has asked for time, or its webhook's rate limit is used up.

use chrono::{DateTime, Utc};
use sqlx::FromRow;

/// Until when nothing is sent to a webhook that is on.
#[derive(Clone, Copy, Debug, Default, FromRow)]
pub(crate) struct Holds {
    /// As its receiver asked by `Retry-After`.
    pub held_until: Option<DateTime<Utc>>,
    /// As its rate limit says, which may be over.
    pub paced_until: Option<DateTime<Utc>>,
}

impl Holds {
    /// When a delivery that is due at `next` will be tried, and why not before. One that has no due time to show,
    /// because it has ended, is under way or held for another reason, stays as it is.
    pub(crate) fn apply(
        self,
        now: DateTime<Utc>,
        next: &mut Option<DateTime<Utc>>,
        reason: &mut Option<String>,
    ) {
        for (until, why) in [(self.held_until, "retry_after"), (self.paced_until, "rate_limit")] {
            if let (Some(due), Some(until)) = (*next, until)
                && until > due.max(now)
            {
                (*next, *reason) = (Some(until), Some(why.to_owned()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    /// What becomes of a delivery that is due at second 10, at second 20.
    fn shown(held: Option<i64>, paced: Option<i64>) -> (Option<DateTime<Utc>>, Option<String>) {
        let holds = Holds { held_until: held.map(at), paced_until: paced.map(at) };
        let (mut next, mut reason) = (Some(at(10)), None);
        holds.apply(at(20), &mut next, &mut reason);
        (next, reason)
    }

    #[test]
    fn the_longest_hold_says_when_and_why() {
        assert_eq!(shown(Some(30), None), (Some(at(30)), Some("retry_after".into())));
        assert_eq!(shown(None, Some(30)), (Some(at(30)), Some("rate_limit".into())));
        assert_eq!(shown(Some(30), Some(40)), (Some(at(40)), Some("rate_limit".into())));
        assert_eq!(shown(Some(40), Some(30)), (Some(at(40)), Some("retry_after".into())));
    }

    #[test]
    fn what_is_over_holds_nothing_nor_does_what_ends_before_the_delivery_is_due() {
        assert_eq!(shown(Some(20), Some(15)), (Some(at(10)), None));
        let holds = Holds { held_until: Some(at(30)), paced_until: None };
        let (mut next, mut reason) = (Some(at(31)), None);
        holds.apply(at(20), &mut next, &mut reason);
        assert_eq!((next, reason), (Some(at(31)), None));
    }

    #[test]
    fn what_shows_no_time_stays_as_it_is() {
        let holds = Holds { held_until: Some(at(30)), paced_until: Some(at(30)) };
        let (mut next, mut reason) = (None, Some("webhook_inactive".to_owned()));
        holds.apply(at(20), &mut next, &mut reason);
        assert_eq!((next, reason.as_deref()), (None, Some("webhook_inactive")));
    }
}
