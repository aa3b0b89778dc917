//! Whose turn it is at the relay, so that nobody waits for the ten thousand events of somebody's import.
//!
//! Events go in the order in which they came until a batch does not hold all that are there. Whoever had a part of
//! that one then waits until all others have had theirs. To look for the others is to walk past all events of those who
//! wait. As many as they are, these have the turn for several times as long as it took to find that nobody else is
//! left, or a million events would be walked past a million times.
//!
//! A tenant with an event that no statement has time for stays out for longer: to find that out takes minutes.

use std::time::{Duration, Instant};

use uuid::Uuid;

/// Tenants that may wait at once; with more, all begin anew.
const MOST_WAITING: usize = 10_000;

/// For how many times as long as the look for others took those have the turn for whom they were looked past.
const TIMES: u32 = 3;

/// The longest that a look counts as: it may have waited for a lock.
const LOOK: Duration = Duration::from_secs(1);

/// How long a tenant stays out at first, and at most: twice as long each time.
const OUT: [Duration; 2] = [Duration::from_mins(10), Duration::from_hours(4)];

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    /// Tenants that have had their turn.
    waiting: Vec<Uuid>,
    /// For how long events go in their order again, before anybody waits.
    anybodys: Duration,
    out: Vec<Out>,
}

/// A tenant with an event that no statement has time for.
#[derive(Debug)]
struct Out {
    tenant: Uuid,
    until: Instant,
    time: Duration,
}

impl Turns {
    /// Whose events the next batch leaves out.
    pub fn left_out(&self, now: Instant) -> Vec<Uuid> {
        let out = self.out.iter().filter(|out| out.until > now).map(|out| out.tenant);
        self.waiting.iter().copied().chain(out).collect()
    }

    /// After a batch that took `took` and held events of `tenants`, if it did not hold all that were there: whether
    /// there may be more.
    pub fn after(&mut self, tenants: Option<Vec<Uuid>>, took: Duration) -> bool {
        let Some(tenants) = tenants else {
            let others = !self.waiting.is_empty();
            self.waiting.clear();
            self.anybodys = if others { took.min(LOOK) * TIMES } else { Duration::ZERO };
            return others;
        };
        self.anybodys = self.anybodys.saturating_sub(took);
        if self.anybodys.is_zero() {
            self.waiting.extend(tenants);
            if self.waiting.len() > MOST_WAITING {
                self.waiting.clear();
            }
        }
        true
    }

    /// This tenant has an event that no statement has time for.
    pub fn leave_out(&mut self, tenant: Uuid, now: Instant) {
        let before = self.out.iter().position(|out| out.tenant == tenant);
        let before = before.map(|place| self.out.swap_remove(place));
        let time = before.map_or(OUT[0], |out| (out.time * 2).min(OUT[1]));
        self.out.push(Out { tenant, until: now + time, time });
    }

    /// All begin anew but those that are left out for longer; whether anybody waited.
    pub fn begin_anew(&mut self) -> bool {
        let others = !self.waiting.is_empty();
        self.waiting.clear();
        self.anybodys = Duration::ZERO;
        others
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(10);
    const BATCH: Duration = Duration::from_millis(12);

    fn tenant(number: u128) -> Uuid {
        Uuid::from_u128(number)
    }

    #[test]
    fn whoever_had_a_part_of_a_full_batch_waits_until_the_others_have_had_theirs() {
        let mut turns = Turns::default();
        assert!(turns.after(Some(vec![tenant(1), tenant(2)]), BATCH));
        assert_eq!(turns.waiting, [tenant(1), tenant(2)]);
        assert!(turns.after(Some(vec![tenant(3)]), BATCH), "the others are many too");
        assert_eq!(turns.waiting, [tenant(1), tenant(2), tenant(3)]);
        assert!(turns.after(None, SHORT), "those who waited have more");
        assert!(turns.waiting.is_empty());
    }

    #[test]
    fn the_look_for_others_takes_a_quarter_of_the_time_however_long_it_is() {
        let mut turns = Turns::default();
        turns.after(Some(vec![tenant(1)]), BATCH);
        for _ in 0..10 {
            turns.after(None, SHORT);
            let mut batches = 1;
            while turns.after(Some(vec![tenant(1)]), BATCH) && turns.waiting.is_empty() {
                batches += 1;
            }
            assert_eq!(batches, 3, "of 12 ms each after a look of 10");
        }
    }

    #[test]
    fn a_batch_that_held_all_leaves_nobody_waiting_and_nothing_to_do() {
        let mut turns = Turns::default();
        assert!(!turns.after(None, BATCH));
        assert!(turns.after(Some(vec![tenant(1)]), BATCH));
        assert_eq!(turns.waiting, [tenant(1)], "nobody's time is left over from before");
    }

    #[test]
    fn very_many_begin_anew() {
        let mut turns = Turns::default();
        turns.after(Some((0..10_000).map(tenant).collect()), BATCH);
        assert_eq!(turns.waiting.len(), 10_000);
        turns.after(Some(vec![tenant(10_000)]), BATCH);
        assert!(turns.waiting.is_empty());
    }

    #[test]
    fn whoever_is_left_out_stays_out_twice_as_long_each_time_whatever_the_others_do() {
        let (mut turns, begun) = (Turns::default(), Instant::now());
        let out_at = |turns: &Turns, minutes| {
            turns.left_out(begun + Duration::from_mins(minutes)) == [tenant(1)]
        };
        turns.leave_out(tenant(1), begun);
        turns.after(Some(vec![tenant(2)]), BATCH);
        turns.after(None, SHORT);
        turns.begin_anew();
        assert!(out_at(&turns, 9) && !out_at(&turns, 10));
        turns.leave_out(tenant(1), begun + Duration::from_mins(10));
        assert!(out_at(&turns, 29) && !out_at(&turns, 30));
    }
}
